// Performance and memory; training curves.

#include <algorithm>

#include <fmt/format.h>

#include "report/figures.h"
#include "report/sections.h"

namespace cp {
namespace {

std::string mib(double bytes) { return fmt::format("{} MiB", number_text(bytes / (1 << 20), 0)); }

std::string damaged_note(const Say& say, int damaged, const std::string& name) {
  const std::string text =
      say.chinese() ? fmt::format("{}：有 {} 行无法读取（文件被截断？），已略过。", escape_html(name), damaged)
                    : fmt::format("{}: {} that cannot be read (a file that was cut off?) left out.", escape_html(name),
                                  damaged == 1 ? "1 line" : fmt::format("{} lines", damaged));
  return "<p class=\"cap\">" + text + "</p>";
}

}  // namespace

std::string performance_section(const Say& say, const Validation* validation, const std::optional<ModelFacts>& model,
                                std::span<const TrainingLog> runs) {
  std::string list = "<dl>";
  const auto entry = [&](const std::string& name, const std::string& value) {
    list += fmt::format("<dt>{}</dt><dd>{}</dd>", name, value);
  };
  const auto figure = [&](const char* path, const char* english, const char* chinese, int decimals, const char* unit) {
    const auto value = validation ? find_number(validation->metrics, path) : std::nullopt;
    entry(say(english, chinese), value ? number_text(*value, decimals) + unit : say.not_measured());
  };
  figure("run.times_ms.total.median", "one answer, median", "单次回答，中位数", 1, " ms");
  figure("run.times_ms.total.p90", "one answer, 90th percentile", "单次回答，90 % 分位", 1, " ms");
  figure("run.load_ms", "loading the model", "加载模型", 0, " ms");
  figure("run.pairs_per_s", "pairs per second, all threads", "每秒图像对（全部线程）", 1, "");
  figure("run.threads", "threads", "线程数", 0, "");
  figure("run.peak_memory_mib", "peak memory of the validation", "验证的内存峰值", 0, " MiB");
  if (model) {
    double total = 0;
    for (const auto& file : model->files) total += static_cast<double>(file.second);
    entry(say("weights on disk", "权重文件"), mib(total));
  }
  for (const TrainingLog& run : runs) {
    double peak = 0;
    for (const Json& line : run.lines) peak = std::max(peak, find_number(line, "peak_memory").value_or(0));
    entry(fmt::format("{} {}", say("peak memory of training", "训练的内存峰值"), escape_html(run.name)),
          peak > 0 ? mib(peak) : say.not_measured());
  }
  list += "</dl>";
  const std::string bars = validation ? times_figure(say, validation->metrics) : "";
  return fmt::format("<div class=\"wide2\"><div>{}</div>{}</div>", list, bars);
}

std::string training_section(const Say& say, std::span<const TrainingLog> runs) {
  std::string out;
  if (runs.empty())
    return fmt::format(
        "<p class=\"missing\">{} {}</p>", say.not_measured(),
        say("— give the run folder (metrics.jsonl) too.", "——请同时给出训练运行文件夹（metrics.jsonl）。"));
  out += curve_figures(say, runs);
  if (out.empty())
    out = fmt::format("<p class=\"missing\">{}</p>", say("The log holds no values yet.", "日志中还没有数值。"));
  out += fmt::format(
      "<p class=\"cap\">{}</p>",
      say("Thin lines are single updates, unsmoothed; a few wild values at the start may lie above the frame's edge.",
          "细线为未平滑的单次更新；开头少数极端值可能超出上边界。"));
  for (const TrainingLog& run : runs) {
    if (run.damaged > 0) out += damaged_note(say, run.damaged, run.name + "/metrics.jsonl");
    if (!run.config.empty())
      out += fmt::format("<details><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>",
                         fmt::format("{}/config.yaml", escape_html(run.name)), escape_html(run.config));
  }
  return out;
}

}  // namespace cp
