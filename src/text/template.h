#pragma once
// In:  an instruction (user text), the number of visual positions, a tokenizer.
// Out: the prompt's ids, and where the visual positions and the user's text stand in it.
// Not here: embeddings (runtime/), sampling.

#include <string>
#include <string_view>
#include <vector>

#include "text/bpe_tokenizer.h"

namespace cp {

struct Prompt {
  std::vector<int> ids;  // (T) with <|image_pad|> at the visual positions
  int visual_begin = 0;  // first visual position
  int visual_count = 0;  // N visual positions in a row
};

inline constexpr const char* kPlainTemplate = "plain";
inline constexpr const char* kEndToken = "<|im_end|>";  // of an answer, whatever the template

// "plain", the nano model's template:
//   <|vision_start|> <|image_pad|> x N <|vision_end|> instruction <|im_start|>    then the caption, then <|im_end|>
// Instruction and caption are encoded with one leading blank, so that a word has one form wherever it stands; the
// caption is decoded without it.
Prompt plain_prompt(const BpeTokenizer& tokenizer, const std::string& instruction, int visual_count);
std::vector<int> caption_ids(const BpeTokenizer& tokenizer, const std::string& caption);  // with <|im_end|> at the end
std::string caption_text(const BpeTokenizer& tokenizer, const std::vector<int>& ids);     // stops at <|im_end|>

// Instructions used in training and as defaults, in English ("en") or Chinese ("zh"); the first one is the default.
const std::vector<std::string>& instruction_templates(const std::string& language);
// "zh" when the text holds a CJK ideograph, else "en".
std::string detect_language(std::string_view text);

}  // namespace cp
