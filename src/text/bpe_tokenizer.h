#pragma once
// In:  a Hugging Face tokenizer.json of Qwen2's kind (byte-level BPE), and text.
// Out: ids, and text again. User text can never produce an added (control) token.
// Not here: templates (template.h), training a vocabulary (bpe_trainer.h).

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

class BpeTokenizer {
 public:
  // Reads `tokenizer.json` (model BPE, byte-level, NFC normaliser, Qwen2's split pattern). Fields that would change the
  // result and are not supported are refused by name. Throws UserError(model).
  static BpeTokenizer load(const std::filesystem::path& tokenizer_json);
  static BpeTokenizer parse(std::string_view json, const std::string& where);

  // Plain text: control tokens in it are ordinary characters. Linear in the length.
  std::vector<int> encode(std::string_view text) const;
  // For the program's own templates only: added tokens in `text` become their ids.
  std::vector<int> encode_with_control(std::string_view text) const;
  // Skips added tokens unless `keep_control`. Invalid UTF-8 sequences become U+FFFD, as the reference does.
  std::string decode(const std::vector<int>& ids, bool keep_control = false) const;

  int size() const;  // number of ids: the largest id + 1
  int control_id(
      const std::string& token) const;  // throws UserError(model) when the vocabulary has no such added token
  bool is_control(int id) const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace cp
