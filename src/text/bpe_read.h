#pragma once
// In:  the text of a tokenizer.json, hostile ones too.
// Out: the vocabulary as the encoder wants it, every field checked.
// Not here: encoding (bpe_tokenizer.h), writing such a file (bpe_trainer.h).

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/bpe_merge.h"
#include "text/pre_tokenizer.h"

namespace cp {

struct ControlToken {
  std::string text;
  int id = 0;
  bool special = true;  // left out of decoded text
};

struct BpeModel {
  bool compose = false;  // NFC first
  Split split = Split::qwen2;
  std::vector<std::string> bytes;   // of each id, 0 ... size - 1 without holes
  std::array<int, 256> byte_ids{};  // the id of each single byte; -1: it has none and vanishes, as in the reference
  BpeMerges merges;
  // With ignore_merges: the id of a whole piece, written in byte characters, before any merge is tried. Else empty.
  std::unordered_map<std::string, int> whole;
  std::vector<ControlToken> control;  // added tokens
};

// Throws UserError(model) naming the field.
BpeModel parse_bpe_model(std::string_view json, const std::string& where);

}  // namespace cp
