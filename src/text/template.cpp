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
  static const std::vector<std::string> chinese = {
      "请描述这两幅图像之间的变化。",
      "这两幅遥感图像有什么不同？请指出位置。",
      "这片区域发生了什么变化？",
      "对比前后两个时期的图像，说明哪些地方变了。",
      "用一句话概括两幅图像的变化，并指出最大的一处。",
      "请告诉我后一幅图像比前一幅多了什么、少了什么。",
      "找到变化的地方，飞过去看一看。",
      "这里新建或拆除了什么？请指出来。",
      "看一下这两张图，哪里发生了改变？请放大查看。",
      "查看有没有新的房屋和道路，并指出它们的位置。",
      "请分析两幅卫星图像的差异，并写出变化内容。",
      "这两张图像之间有没有变化？如果有，请描述一下。",
  };
  if (language == "en") return english;
  if (language == "zh") return chinese;
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
