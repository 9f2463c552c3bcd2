// What several sections share: measures, cells, tables.

#include <fmt/format.h>

#include "report/sections.h"

namespace cp {
namespace {

constexpr Measure kMain[] = {
    {"flag.accuracy", "Change flag, accuracy", "变化判断，准确率"},
    {"caption.text.changed.bleu4", "Caption, changed half: BLEU-4", "描述（有变化的一半）：BLEU-4"},
    {"caption.text.changed.meteor", "Caption, changed half: METEOR", "描述（有变化的一半）：METEOR"},
    {"caption.text.changed.rouge_l", "Caption, changed half: ROUGE-L", "描述（有变化的一半）：ROUGE-L"},
    {"caption.text.changed.cider", "Caption, changed half: CIDEr", "描述（有变化的一半）：CIDEr"},
    {"action.sr_mask", "Point on changed ground", "目标点落在变化区域上"},
    {"action.sr_largest", "Point in the largest change's box", "目标点落在最大变化的框内"},
    {"action.mae", "Point, mean absolute error per coordinate", "目标点，每坐标平均绝对误差", 3, true},
    {"map.iou", "Change map, IoU", "变化图，IoU"},
};

// "caption.text.changed.cider" below `blind.PART`, with or without the protocol's name.
std::optional<Score> below(const Json& metrics, const std::string& part, const std::string& rest) {
  if (auto found = find_score(metrics, "blind." + part + "." + rest)) return found;
  const std::string protocol = rest.substr(0, rest.find('.'));
  return protocol == "text" ? find_score(metrics, "blind." + part + "." + rest.substr(5)) : std::nullopt;
}

}  // namespace

std::span<const Measure> main_measures() { return kMain; }

std::string score_cell(const Say& say, const std::optional<Score>& score, int decimals) {
  if (!score) return say.not_measured();
  std::string cell = fmt::format("<span class=\"v\">{}</span>", number_text(score->value, decimals));
  if (score->low)
    cell += fmt::format("<span class=\"ci\">{} – {}</span>", number_text(*score->low, decimals),
                        number_text(*score->high, decimals));
  return cell;
}

std::optional<Score> blind_floor(const Json& metrics, const std::string& path) {
  if (path.starts_with("caption.")) return below(metrics, "caption", path.substr(8));
  if (path.starts_with("map.peak.")) return find_score(metrics, "blind.action." + path.substr(9));
  return find_score(metrics, "blind." + path);
}

std::string difference_cell(const Say& say, const std::optional<Score>& d, const Measure& measure) {
  if (!d) return say.not_measured();
  const auto plus = [&](double v) { return (v > 0 ? "+" : "") + number_text(v, measure.decimals); };
  const bool clear = d->low && (*d->low > 0 || *d->high < 0);
  const char* css = !clear ? "" : (d->value > 0) != measure.lower_is_better ? " up" : " down";
  std::string cell = fmt::format("<span class=\"v{}\">{}</span>", css, plus(d->value));
  if (d->low) cell += fmt::format("<span class=\"ci\">{} {} {}</span>", plus(*d->low), say("to", "至"), plus(*d->high));
  return cell;
}

std::optional<Score> flag_floor(const Json& metrics, const std::string& path) {
  return path.starts_with("caption.") ? below(metrics, "caption_flag", path.substr(8)) : std::nullopt;
}

void HtmlTable::row(const std::string& name, const std::vector<std::string>& cells) {
  rows_ += fmt::format("<tr><th scope=\"row\">{}</th>", name);
  for (const std::string& cell : cells)
    rows_ += cell.starts_with("<td") ? cell : fmt::format("<td class=\"num\">{}</td>", cell);
  rows_ += "</tr>\n";
}

void HtmlTable::group(const std::string& name) {
  rows_ += fmt::format("<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{}\">{}</th></tr>\n", head_.size(), name);
}

std::string HtmlTable::html() const {
  std::string out = fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>", caption_);
  for (std::size_t i = 0; i < head_.size(); ++i) {
    const bool strip = head_[i].starts_with('|');
    out += fmt::format("<th scope=\"col\"{}>{}</th>",
                       strip    ? " class=\"strip\""
                       : i == 0 ? ""
                                : " class=\"num\"",
                       strip ? head_[i].substr(1) : head_[i]);
  }
  return out + "</tr></thead>\n<tbody>" + rows_ + "</tbody></table></div>\n";
}

}  // namespace cp
