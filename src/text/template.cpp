#include "text/template.h"

#include <fmt/format.h>

#include "core/error.h"
#include "text/unicode.h"

namespace cp {

Prompt plain_prompt(const BpeTokenizer& tokenizer, const std::string& instruction, int visual_count) {
  CP_CHECK(visual_count > 0, fmt::format("{} visual positions", visual_count));
  Prompt prompt;
  prompt.ids.push_back(tokenizer.control_id("<|vision_start|>"));
  prompt.visual_begin = 1;
  prompt.visual_count = visual_count;
  prompt.ids.insert(prompt.ids.end(), static_cast<std::size_t>(visual_count), tokenizer.control_id("<|image_pad|>"));
  prompt.ids.push_back(tokenizer.control_id("<|vision_end|>"));
  const std::vector<int> text = tokenizer.encode(" " + instruction);
  prompt.ids.insert(prompt.ids.end(), text.begin(), text.end());
  prompt.ids.push_back(tokenizer.control_id("<|im_start|>"));
  return prompt;
}

std::vector<int> caption_ids(const BpeTokenizer& tokenizer, const std::string& caption) {
  std::vector<int> ids = tokenizer.encode(" " + caption);
  ids.push_back(tokenizer.control_id(kEndToken));
  return ids;
}

std::string caption_text(const BpeTokenizer& tokenizer, const std::vector<int>& ids) {
  const int end = tokenizer.control_id(kEndToken);
  std::vector<int> caption;
  for (const int id : ids) {
    if (id == end) break;
    caption.push_back(id);
  }
  const std::string text = tokenizer.decode(caption);
  return text.starts_with(' ') ? text.substr(1) : text;
}

const std::vector<std::string>& instruction_templates(const std::string& language) {
  static const std::vector<std::string> english = {
      "describe what changed between the two images and point at the change",
      "what is different in the second image? show where",
      "compare the two pictures and tell me what has changed",
      "what has been built or removed here? point to it",
      "find the change between before and after and mark its place",
      "look for new buildings and roads and show where they are",
      "tell me what changed and fly to it",
      "has anything changed in this area? if so, zoom in on it",
      "report the differences between these two aerial images",
      "which part of the scene has changed the most?",
      "inspect the place where the scene changed and describe it",
      "summarise the changes in one sentence and point at the largest",
  };
  static const std::vector<std::string> none;
  if (language == "en") return english;
  if (language == "zh") return none;  // no Chinese captions are trained yet
  throw UserError(ErrorKind::usage, "language", fmt::format("wanted en or zh, found \"{}\".", language), "");
}

std::string detect_language(std::string_view text) {
  for (std::size_t position = 0; position < text.size();) {
    const char32_t c = next_code_point(text, position);
    const bool ideograph = (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
                           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x323af);
    if (ideograph) return "zh";
  }
  return "en";
}

}  // namespace cp
