#pragma once
// In:  texts.
// Out: a tokenizer.json with the merges that byte-level BPE training finds (the same as the `tokenizers` library's
//      BpeTrainer with Qwen2's pre-tokenizer and the 256-byte alphabet).
// Not here: encoding (bpe_tokenizer.h).

#include <string>
#include <vector>

namespace cp {

struct BpeTrainerOptions {
  int vocabulary_size = 1200;  // all ids: 256 bytes + merges + added tokens
  int min_frequency = 2;
  std::vector<std::string> added_tokens = {"<|endoftext|>",    "<|im_start|>",   "<|im_end|>",
                                           "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"};  // Qwen2-VL's names
};

// Deterministic: ties are broken by the pair's ids (smaller first), as the reference does. Returns the tokenizer.json
// text.
std::string train_bpe(const std::vector<std::string>& texts, const BpeTrainerOptions& options);

}  // namespace cp
