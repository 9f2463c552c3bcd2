#include "text/action_text.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

bool is_chinese(const std::string& language) {
  if (language != "en" && language != "zh")
    throw UserError(ErrorKind::usage, "language", fmt::format("wanted en or zh, found \"{}\".", language), "");
  return language == "zh";
}

}  // namespace

int BinnedAction::digit(int slot) const {
  switch (slot) {
    case 0:
      return x / 10;
    case 1:
      return x % 10;
    case 2:
      return y / 10;
    case 3:
      return y % 10;
    default:
      CP_CHECK(slot == 4, "no such slot");
      return a;
  }
}

BinnedAction bin_action(double x, double y, int a) {
  const auto bin = [](double v) { return std::clamp(static_cast<int>(v * kActionBins), 0, kActionBins - 1); };
  return {bin(x), bin(y), a != 0 ? 1 : 0};
}

double bin_centre(int bin) { return (bin + 0.5) / kActionBins; }

ActionSpelling::ActionSpelling(const BpeTokenizer& tokenizer) {
  for (int digit = 0; digit < 10; ++digit) {
    const std::vector<int> ids = tokenizer.encode(std::to_string(digit));
    if (ids.size() != 1)
      throw UserError(ErrorKind::model, "tokenizer.json", fmt::format("the digit {} is not one id.", digit),
                      "Take a tokenizer that keeps digits apart, as Qwen2's does.");
    digits_[static_cast<std::size_t>(digit)] = ids[0];
  }
  leads_[0] = tokenizer.encode(" x");
  leads_[2] = tokenizer.encode(" y");
  leads_[4] = tokenizer.encode(" a");
}

std::vector<int> ActionSpelling::ids(const BinnedAction& action) const {
  std::vector<int> out;
  for (int slot = 0; slot < kActionSlots; ++slot) {
    out.insert(out.end(), lead(slot).begin(), lead(slot).end());
    out.push_back(digits_[static_cast<std::size_t>(action.digit(slot))]);
  }
  return out;
}

const std::vector<int>& ActionSpelling::lead(int slot) const {
  CP_CHECK(slot >= 0 && slot < kActionSlots, "no such slot");
  return leads_[slot];
}

const std::string& action_instruction(const std::string& language, bool thought) {
  static const std::string english = "write the point of the largest change as x, y and a";
  static const std::string english_thought =
      "first analyse what changed, then locate it, then act: write the point of the largest change as x, y and a";
  static const std::string chinese = "请写出最大变化处的坐标 x、y 和动作 a。";
  static const std::string chinese_thought =
      "先分析发生了什么变化，再指出位置，最后行动：写出最大变化处的坐标 x、y 和动作 a。";
  if (is_chinese(language)) return thought ? chinese_thought : chinese;
  return thought ? english_thought : english;
}

std::string place_words(double x, double y, const std::string& language) {
  const auto third = [](double v) { return v < 1.0 / 3 ? 0 : v < 2.0 / 3 ? 1 : 2; };
  static const char* english[3][3] = {{"at the top left", "at the top", "at the top right"},
                                      {"on the left", "in the centre", "on the right"},
                                      {"at the bottom left", "at the bottom", "at the bottom right"}};
  static const char* chinese[3][3] = {
      {"在左上角", "在上方", "在右上角"}, {"在左侧", "在中央", "在右侧"}, {"在左下角", "在下方", "在右下角"}};
  return (is_chinese(language) ? chinese : english)[third(y)][third(x)];
}

std::string thought_text(const std::string& caption, const std::string& place, const std::string& language) {
  const bool chinese = is_chinese(language);
  if (place.empty()) return caption;
  return caption + (chinese ? "" : " ; ") + place + (chinese ? "。" : "");
}

}  // namespace cp
