#include "report/training_page.h"

#include <fmt/format.h>

#include "report/figures.h"
#include "report/sections.h"

namespace cp {
namespace {

// The newest line's figures, so that a look at the page says whether the run is well.
std::string standing(const Say& say, const TrainingLog& run) {
  if (run.lines.empty())
    return fmt::format("<p class=\"missing\">{}</p>", say("No update has been logged yet.", "尚未记录任何更新。"));
  std::string stage;
  const Json* training = nullptr;
  const Json* validation = nullptr;
  for (const Json& line : run.lines) {
    if (const std::string named = find_text(line, "stage"); !named.empty()) stage = named;
    if (find_number(line, "loss")) training = &line;
    if (find_number(line, "val_monitor")) validation = &line;
  }
  std::string list = "<dl>";
  const auto entry = [&](const char* name, const std::string& value) {
    list += fmt::format("<dt>{}</dt><dd>{}</dd>", name, value);
  };
  const auto number = [&](const char* name, const Json* line, const char* key, int decimals) {
    const auto value = line ? find_number(*line, key) : std::nullopt;
    entry(name, value ? number_text(*value, decimals) : say.not_measured());
  };
  const char* known = stage_name(say, stage);
  entry(say("stage", "阶段"), known ? known : escape_html(stage));
  number(say("updates done", "已完成更新"), &run.lines.back(), "step", 0);
  number(say("epoch of the stage", "阶段内轮次"), &run.lines.back(), "epoch", 0);
  number(say("training loss", "训练损失"), training, "loss", 4);
  number(say("gradient norm", "梯度范数"), training, "gradient_norm", 3);
  number(say("last validation loss", "最近一次验证损失"), validation, "val_monitor", 4);
  const auto peak = find_number(run.lines.back(), "peak_memory");
  entry(say("peak memory", "内存峰值"),
        peak && *peak > 0 ? number_text(*peak / (1 << 20), 0) + " MiB" : say.not_measured());
  return list + "</dl>";
}

}  // namespace

std::string training_page(std::string_view metrics_jsonl, const std::string& config_yaml,
                          const TrainingPageOptions& options) {
  const Say say(options.chinese);
  const std::vector<TrainingLog> runs{parse_training(options.name, metrics_jsonl, config_yaml)};
  const std::string title =
      fmt::format("{} · {}", options.name, options.running ? say("training", "训练中") : say("trained", "训练结束"));
  std::string body =
      fmt::format("<header><h1>{}</h1><p class=\"sub\">{}</p></header>\n<main>", escape_html(title),
                  options.running ? say("This page reloads itself every 10 seconds.", "本页每 10 秒自动刷新。")
                                  : say("The run has ended.", "运行已结束。"));
  body += fmt::format("<section><h2>{}</h2>{}</section>", say("Where it stands", "当前状态"), standing(say, runs[0]));
  body += fmt::format("<section><h2>{}</h2>{}</section></main>\n", say("Curves", "曲线"), training_section(say, runs));
  return html_page(say, title, options.running ? "<meta http-equiv=\"refresh\" content=\"10\">\n" : "", body);
}

}  // namespace cp
