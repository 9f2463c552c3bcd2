#pragma once
// In:  a Hugging Face tokenizer.json of byte-level BPE (kinds: docs/text.md), and text.
// Out: ids, and text again. User text can never produce an added (control) token.
// Not here: templates (template.h), training a vocabulary (bpe_trainer.h).

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

class BpeTokenizer {
 public:
  // Reads `tokenizer.json`: model BPE, byte-level, split as in pre_tokenizer.h, NFC or no normaliser. Fields that would
  // change the result and are not supported are refused by name. Throws UserError(model).
  static BpeTokenizer load(const std::filesystem::path& tokenizer_json);
  static BpeTokenizer parse(std::string_view json, const std::string& where);

  // Plain text: control tokens in it are ordinary characters. Linear in the length.
  std::vector<int> encode(std::string_view text) const;
  // For the program's own templates only: added tokens in `text` become their ids.
  std::vector<int> encode_with_control(std::string_view text) const;
  // Skips special added tokens unless `keep_control`. Invalid UTF-8 sequences become U+FFFD, as the reference does.
  std::string decode(const std::vector<int>& ids, bool keep_control = false) const;

  int size() const;  // number of ids: the largest id + 1
  // The id of an added token; none, or a UserError(model), when the vocabulary has no such token.
  std::optional<int> find_control(std::string_view token) const;
  int control_id(const std::string& token) const;
  bool is_control(int id) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace cp
