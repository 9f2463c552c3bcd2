#include "report/overlay.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "image/draw.h"
#include "image/font.h"
#include "image/resample.h"
#include "report/marks.h"

namespace cp {
namespace {

constexpr Color kInk{24, 33, 43}, kMuted{100, 114, 128};

struct Words {
  const char *before, *after, *found, *map, *region, *samples, *point;
};
constexpr Words kEnglish{"before", "after", "what changed", "change map", "region", "samples", "point"};
constexpr Words kChinese{"之前", "之后", "变化", "变化图", "区域", "采样", "目标点"};

// The third panel.
Image draw_found(Image panel, const Answer& answer) {
  mute(panel);
  if (!answer.changed) return panel;
  draw_change_map(panel, answer.map);
  const double cell = panel.width / std::sqrt(static_cast<double>(answer.map.size()));
  for (const std::vector<Point>& polygon : answer.region.polygons) draw_outline(panel, polygon, cell / 2);
  for (std::size_t i = 0; i + 2 < answer.samples.size(); i += 3)
    draw_sample(panel, {(answer.samples[i] + 1) / 2 * panel.width, (answer.samples[i + 1] + 1) / 2 * panel.height});
  if (answer.action.a == 1)  // one that abstains points nowhere
    draw_target(panel, {answer.action.x * panel.width, answer.action.y * panel.height},
                std::max(panel.width, panel.height) / 36.0, kPoint);
  return panel;
}

std::string action_text(const Answer& answer, bool chinese) {
  const Answer::Action& action = answer.action;
  if (!answer.abstained.empty())
    return fmt::format(fmt::runtime(chinese ? "动作：悬停，不作判断：{}（变化概率 {:.2f}）"
                                            : "hover, it abstains: {} (probability of change {:.2f})"),
                       abstained_text(answer.abstained, chinese), action.p_zoom);
  if (action.a == 0)
    return chinese ? fmt::format("动作：悬停（变化概率 {:.2f}）", action.p_zoom)
                   : fmt::format("hover: no change to look at (probability of change {:.2f})", action.p_zoom);
  return chinese ? fmt::format("动作：对准 ({:.2f}, {:.2f}) 放大拍摄（变化概率 {:.2f}，{:.0f}% 区域占全图 {:.1f}%）",
                               action.x, action.y, action.p_zoom, 100 * answer.region.level, 100 * answer.region.share)
                 : fmt::format(
                       "zoom to ({:.2f}, {:.2f}) and capture (probability of change {:.2f}; "
                       "the {:.0f} % region covers {:.1f} % of the image)",
                       action.x, action.y, action.p_zoom, 100 * answer.region.level, 100 * answer.region.share);
}

// What the marks of the third panel mean, right-aligned at `right`; `middle` is the height of its centre.
void draw_legend(Image& page, int right, int middle, int px, const Words& words) {
  const int mark = 26, gap = 18;
  int x = right;
  const auto entry = [&](const char* word, auto draw_mark) {
    x -= text_width(word, px);
    draw_text(page, x, middle - line_height(px) / 2, word, px, kMuted);
    x -= mark;
    draw_mark(Point{x + mark / 2.0 - 3, static_cast<double>(middle)});
    x -= gap;
  };
  entry(words.point, [&](Point at) { draw_target(page, at, 7, kPoint); });
  entry(words.samples, [&](Point at) {
    for (const Point& d : {Point{-6, 2}, Point{0, -3}, Point{5, 3}}) draw_sample(page, {at.x + d.x, at.y + d.y});
  });
  entry(words.region, [&](Point at) { draw_region_line(page, {at.x - 8, at.y}, {at.x + 8, at.y}); });
  entry(words.map, [&](Point at) {
    for (int i = 0; i < 18; ++i)
      fill_rect(page, static_cast<int>(at.x) - 9 + i, middle - 5, static_cast<int>(at.x) - 8 + i, middle + 5,
                mix(kWarm, kHot, i / 17.0));
  });
}

}  // namespace

Image draw_overlay(const Image& before, const Image& after, const Answer& answer, const OverlayOptions& options) {
  CP_CHECK(before.width == after.width && before.height == after.height, "draw_overlay: images differ in size");
  CP_CHECK(options.panel >= 64 && options.panel <= 2048, "draw_overlay: panel");
  const bool chinese = answer.language == "zh";
  const Words& words = chinese ? kChinese : kEnglish;
  const PanelSize size = panel_size(before, options.panel);
  const int margin = options.panel / 20, gap = options.panel / 33;
  const int label_px = std::max(11, options.panel / 25), caption_px = std::max(14, options.panel * 6 / 100);
  const int text_px = std::max(11, options.panel * 4 / 100);
  const int width = 2 * margin + 3 * size.width + 2 * gap;
  const int inner = width - 2 * margin;
  const int top = margin + line_height(label_px) + gap / 2;  // of the panels

  const std::vector<std::string> caption = wrap_text(answer.caption, caption_px, inner);
  const std::vector<std::string> action = wrap_text(action_text(answer, chinese), text_px, inner);
  const int legend_top = top + size.height + gap / 2;
  const int text_top = legend_top + line_height(label_px);
  const int height = text_top + static_cast<int>(caption.size()) * line_height(caption_px) +
                     static_cast<int>(action.size()) * line_height(text_px) + gap / 2 + margin;

  Image page(width, height, 3, 255);
  const Image panels[] = {resize(before, size.width, size.height, Filter::bicubic),
                          resize(after, size.width, size.height, Filter::bicubic)};
  const Image found = draw_found(panels[1], answer);
  const char* labels[] = {words.before, words.after, words.found};
  for (int i = 0; i < 3; ++i) {
    const int x = margin + i * (size.width + gap);
    draw_text(page, x, margin, labels[i], label_px, kMuted);
    paste(page, i < 2 ? panels[i] : found, x, top);
  }
  if (answer.changed) draw_legend(page, width - margin, legend_top + line_height(label_px) / 2, label_px - 2, words);

  int y = text_top;
  for (const std::string& line : caption) {
    draw_text(page, margin, y, line, caption_px, kInk);
    y += line_height(caption_px);
  }
  y += gap / 2;
  for (const std::string& line : action) {
    draw_text(page, margin, y, line, text_px, kMuted);
    y += line_height(text_px);
  }
  return page;
}

}  // namespace cp
