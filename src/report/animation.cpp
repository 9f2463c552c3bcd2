#include "report/animation.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "image/font.h"
#include "image/resample.h"
#include "report/marks.h"

namespace cp {
namespace {

constexpr Color kInk{24, 33, 43}, kMuted{100, 114, 128}, kBar{47, 111, 176}, kTrack{225, 229, 234};

// From [-1, 1] to pixels; what is no number stands in the middle.
double place(float value, int size) {
  if (!std::isfinite(value)) return size / 2.0;
  return std::clamp((static_cast<double>(value) + 1) / 2, 0.0, 1.0) * size;
}

void draw_samples(Image& panel, const std::vector<float>& samples) {
  for (std::size_t i = 0; i + 2 < samples.size(); i += 3)
    draw_sample(panel, {place(samples[i], panel.width), place(samples[i + 1], panel.height)},
                std::max(2.0, panel.width / 130.0));
}

class Film {
 public:
  Film(const Image& after, const Answer& answer, const AnimationOptions& options)
      : chinese_(answer.language == "zh"), px_(std::max(11, options.panel / 26)) {
    const PanelSize size = panel_size(after, options.panel);
    panel_ = resize(after, size.width, size.height, Filter::bicubic);
    mute(panel_);
  }

  // `share` of the way that is done; `lines` stand below the image.
  Image frame(const std::vector<float>& samples, double share, const std::string& head, const std::string& text,
              const Answer* answer) const {
    Image panel = panel_;
    if (answer && answer->changed)
      for (const std::vector<Point>& polygon : answer->region.polygons) draw_outline(panel, polygon, 3);
    draw_samples(panel, samples);
    if (answer && answer->action.a == 1)
      draw_target(panel, {answer->action.x * panel.width, answer->action.y * panel.height},
                  std::max(panel.width, panel.height) / 30.0, kPoint);
    const int line = line_height(px_), bar = 4, gap = line / 2;
    const int text_lines = 2;
    Image page(panel.width, panel.height + bar + gap + (1 + text_lines) * line + gap / 2, 3, 255);
    paste(page, panel, 0, 0);
    fill_rect(page, 0, panel.height, page.width, panel.height + bar, kTrack);
    fill_rect(page, 0, panel.height, static_cast<int>(std::lround(share * page.width)), panel.height + bar, kBar);
    int y = panel.height + bar + gap / 2;
    draw_text(page, gap, y, head, px_, kMuted);
    std::vector<std::string> lines = wrap_text(text, px_, page.width - 2 * gap);
    if (lines.size() > static_cast<std::size_t>(text_lines)) lines.resize(text_lines), lines.back() += " ...";
    for (const std::string& part : lines) draw_text(page, gap, y += line, part, px_, kInk);
    return page;
  }

  bool chinese() const { return chinese_; }
  std::string say(const std::string& english, const std::string& chinese) const { return chinese_ ? chinese : english; }

 private:
  bool chinese_;
  int px_;
  Image panel_;
};

}  // namespace

std::vector<GifFrame> denoising_frames(const Image& after, const Answer& answer, const Trace& trace,
                                       const AnimationOptions& options) {
  CP_CHECK(options.panel >= 64 && options.panel <= 2048, "denoising_frames: panel");
  CP_CHECK(!trace.noise.empty() && !trace.steps.empty(), "denoising_frames: the trace holds no samples");
  const Film film(after, answer, options);
  const std::size_t count = trace.noise.size() / 3, steps = trace.steps.size();
  std::vector<GifFrame> frames;
  frames.push_back({film.frame(trace.noise, 0,
                               film.say(fmt::format("{} samples: noise", count), fmt::format("{} 个采样：噪声", count)),
                               "", nullptr),
                    2 * options.step_hundredths});
  for (std::size_t i = 0; i < steps; ++i) {
    const double share = static_cast<double>(i + 1) / static_cast<double>(steps);
    frames.push_back({film.frame(trace.steps[i], share,
                                 film.say(fmt::format("denoising step {} of {}", i + 1, steps),
                                          fmt::format("去噪第 {} 步，共 {} 步", i + 1, steps)),
                                 "", nullptr),
                      options.step_hundredths});
  }
  const std::string head =
      answer.action.a == 1 ? film.say(fmt::format("zoom to ({:.2f}, {:.2f})", answer.action.x, answer.action.y),
                                      fmt::format("对准 ({:.2f}, {:.2f}) 放大拍摄", answer.action.x, answer.action.y))
      : answer.abstained.empty()
          ? film.say("hover: no change to look at", "悬停：没有需要查看的变化")
          : film.say("hover, it abstains: ", "悬停，不作判断：") + abstained_text(answer.abstained, film.chinese());
  frames.push_back({film.frame(trace.steps.back(), 1, head, answer.caption, &answer), options.answer_hundredths});
  return frames;
}

}  // namespace cp
