#include "report/figures.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "metrics/bootstrap.h"
#include "report/plot.h"

namespace cp {
namespace {

std::string figure(const std::string& svg, const std::string& title, const std::string& text) {
  return fmt::format("<figure>{}<figcaption><b>{}</b> {}</figcaption></figure>\n", svg, title, text);
}

std::vector<double> finite(const Validation& validation) {
  std::vector<double> errors;
  for (const ReportedPair& pair : validation.pairs)
    if (pair.error_px && *pair.error_px >= 0) errors.push_back(*pair.error_px);
  std::sort(errors.begin(), errors.end());
  return errors;
}

const char* series_class(std::size_t i) {
  static constexpr const char* kClasses[] = {"s0", "s1", "s2", "s3", "s4", "s5"};
  return kClasses[i % 6];
}

}  // namespace

std::string reliability_figure(const Say& say, const Json& metrics) {
  const Json* bins = find_member(metrics, "flag.reliability");
  if (!bins || !bins->is_array() || bins->empty()) return "";
  Plot plot(say("Reliability diagram of the change flag", "变化判断的可靠性图"),
            fixed_axis(0, 1, {0, .25, .5, .75, 1}, 2, say("predicted probability of change", "预测的变化概率")),
            fixed_axis(0, 1, {0, .25, .5, .75, 1}, 2, say("share that changed", "实际有变化的比例")), 380, 270);
  double most = 0;
  for (const Json& bin : *bins) most = std::max(most, find_number(bin, "n").value_or(0));
  for (const Json& bin : *bins) {
    const double n = find_number(bin, "n").value_or(0);
    if (n > 0)
      plot.bar(find_number(bin, "from").value_or(0), find_number(bin, "to").value_or(0), .25 * n / most, "bar pale",
               fmt::format("n = {}", static_cast<long long>(n)));
  }
  const Point diagonal[] = {{0, 0}, {1, 1}};
  plot.line(diagonal, "ideal");
  for (const Json& bin : *bins) {
    const auto p = find_number(bin, "mean_p"), share = find_number(bin, "share_changed"), n = find_number(bin, "n");
    if (!p || !share || !n || *n <= 0) continue;
    // Wilson's 95 % interval of the share.
    const double z = 1.96, centre = (*share + z * z / (2 * *n)) / (1 + z * z / *n);
    const double half = z / (1 + z * z / *n) * std::sqrt(*share * (1 - *share) / *n + z * z / (4 * *n * *n));
    plot.whisker(*p, centre - half, centre + half, "");
    plot.dot({*p, *share}, 4, "dot", fmt::format("{:.2f} → {:.2f}, n = {}", *p, *share, static_cast<long long>(*n)));
  }
  return figure(plot.svg(), say("Reliability.", "可靠性。"),
                say("Dots on the diagonal mean what they say; whiskers are Wilson 95 % intervals, grey bars the number "
                    "of pairs.",
                    "点在对角线上表示概率可信；竖线为 Wilson 95 % 区间，灰色柱为图像对数量。"));
}

std::string risk_figure(const Say& say, const Json& metrics) {
  const auto curve = [&](const char* path) {
    std::vector<Point> line;
    if (const Json* points = find_member(metrics, path); points && points->is_array())
      for (const Json& point : *points)
        line.push_back({find_number(point, "coverage").value_or(NAN), find_number(point, "risk").value_or(NAN)});
    return line;
  };
  const std::vector<Point> main = curve("risk_coverage.points"), flag = curve("risk_coverage.by_p_zoom.points");
  double most = 0;
  for (const std::vector<Point>* line : {&main, &flag})
    for (const Point& p : *line)
      if (std::isfinite(p.y)) most = std::max(most, p.y);
  if (main.empty() && flag.empty()) return "";
  Plot plot(say("Risk against coverage", "风险与覆盖率"),
            fixed_axis(0, 1, {0, .25, .5, .75, 1}, 2,
                       say("share answered, most certain first", "回答的比例（最有把握者在先）")),
            nice_axis(0, std::max(.1, most * 1.1), say("share of points off the mask", "未落在变化区域的比例")));
  plot.line(main, "");
  plot.line(flag, "s1");
  std::string text;
  const auto area = [&](const char* path, const char* color, const char* name) {
    if (const auto aurc = find_score(metrics, path))
      text += fmt::format("{}<span style=\"color:var(--{})\">{}</span> {}", text.empty() ? "" : ", ", color, name,
                          number_text(aurc->value, 3));
  };
  area("risk_coverage.aurc", "model", say("by the region's smallness", "按区域大小"));
  area("risk_coverage.by_p_zoom.aurc", "s1", say("by P(change)", "按变化概率"));
  return figure(plot.svg(), say("Risk and coverage.", "风险与覆盖率。"),
                text.empty() ? "" : fmt::format("{} {}.", say("Area under the curve:", "曲线下面积："), text));
}

std::string coverage_figure(const Say& say, const Json& metrics) {
  const Json* levels = find_member(metrics, "region.levels");
  if (!levels || !levels->is_array() || levels->size() < 2) return "";
  Plot plot(say("Measured against promised coverage", "实测与承诺的覆盖率"),
            fixed_axis(.4, 1, {.4, .6, .8, 1}, 1, say("promised coverage", "承诺的覆盖率")),
            fixed_axis(0, 1, {0, .25, .5, .75, 1}, 2, say("share of targets inside", "目标落在区域内的比例")));
  const Point diagonal[] = {{.4, .4}, {1, 1}};
  plot.line(diagonal, "ideal");
  std::vector<Point> line, area;
  for (const Json& level : *levels) {
    const auto promised = find_number(level, "level");
    const auto coverage = find_score(level, "coverage"), share = find_score(level, "area");
    if (!promised || !coverage) continue;
    line.push_back({*promised, coverage->value});
    if (share) area.push_back({*promised, share->value});
    if (coverage->low) plot.whisker(*promised, *coverage->low, *coverage->high, "");
  }
  plot.line(line, "");
  plot.line(area, "floor");
  for (const Point& p : line) plot.dot(p, 4, "dot", fmt::format("{:.2f} → {:.2f}", p.x, p.y));
  return figure(
      plot.svg(), say("Coverage of the region.", "区域的覆盖率。"),
      say("Dotted: as promised. Dashed: the region's share of the image.", "点线：承诺值；虚线：区域占图像的面积。"));
}

std::string error_figure(const Say& say, const Validation& validation) {
  const std::vector<double> errors = finite(validation);
  if (errors.empty()) return "";
  const double last = errors.back();
  const Axis axis = nice_axis(0, std::max(last, 1.0), say("distance to the target, px", "与目标的距离（像素）"), 5);
  constexpr int kBins = 16;
  std::vector<int> counts(kBins);
  for (const double e : errors)
    ++counts[static_cast<std::size_t>(std::min(kBins - 1, static_cast<int>(e / axis.high * kBins)))];
  const int most = *std::max_element(counts.begin(), counts.end());
  Plot plot(say("Histogram of the distance to the target", "与目标距离的直方图"), axis,
            nice_axis(0, most * 1.12, say("pairs", "图像对")));
  for (int i = 0; i < kBins; ++i)
    plot.bar(i * axis.high / kBins, (i + 1) * axis.high / kBins, counts[static_cast<std::size_t>(i)], "bar",
             std::to_string(counts[static_cast<std::size_t>(i)]));
  const double median = quantile(errors, .5);
  plot.upright(median, "floor");
  plot.note({median, most * 1.12}, fmt::format("{} {}", say("median", "中位数"), number_text(median, 0)), "start", 5,
            8);
  return figure(plot.svg(), say("Error of the point.", "目标点误差。"),
                fmt::format("n = {}. {}", errors.size(),
                            say("Distances are long where the model picks another change than the largest.",
                                "模型选了别处变化而非最大变化时距离较长。")));
}

std::string times_figure(const Say& say, const Json& metrics) {
  static constexpr std::tuple<const char*, const char*, const char*> kStages[] = {
      {"preprocess", "preprocessing", "预处理"},
      {"vision", "vision encoder", "视觉编码器"},
      {"fusion", "fusion, change map", "融合与变化图"},
      {"language", "language model", "语言模型"},
      {"head", "action head", "动作头"}};
  double most = 0;
  for (const auto& stage : kStages)
    most = std::max(most, find_number(metrics, fmt::format("run.times_ms.{}.p90", std::get<0>(stage))).value_or(0));
  if (most <= 0) return "";
  const int width = 420, left = 124, right = 56, step = 26;
  std::string svg = fmt::format("<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">", width,
                                5 * step + 8, say("Time of each stage", "各阶段用时"));
  int y = 4;
  for (const auto& [key, english, chinese] : kStages) {
    const auto median = find_number(metrics, fmt::format("run.times_ms.{}.median", key)),
               p90 = find_number(metrics, fmt::format("run.times_ms.{}.p90", key));
    const auto x = [&](double ms) { return left + std::max(0.0, ms) / most * (width - left - right); };
    svg += fmt::format("<text class=\"label\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", left - 8, y + 13,
                       say(english, chinese));
    if (median && p90)
      svg += fmt::format(
          "<rect class=\"bar\" x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"14\"/><path class=\"axis\" "
          "d=\"M{:.1f} {}H{:.1f}m0 -4v8\"/><text x=\"{:.1f}\" y=\"{}\">{} ms</text>",
          left, y + 2, x(*median) - left, x(*median), y + 9, x(*p90), x(*p90) + 6, y + 13, number_text(*median, 1));
    y += step;
  }
  return figure(svg + "</svg>", say("Time of one answer by stage.", "单次回答各阶段用时。"),
                say("Bar: median; line: 90th percentile.", "柱：中位数；线：90 % 分位。"));
}

const char* stage_name(const Say& say, const std::string& stage) {
  static constexpr std::tuple<const char*, const char*, const char*> kNames[] = {
      {"text", "language model on captions", "语言模型（描述文本）"},
      {"map", "change map and flag", "变化图与变化判断"},
      {"caption", "captions from images", "看图描述"},
      {"head", "action head", "动作头"},
      {"joint", "captions and action head", "描述与动作头"},
      {"calibrate", "calibration", "校准"}};
  for (const auto& [key, english, chinese] : kNames)
    if (stage == key) return say(english, chinese);
  return nullptr;
}

std::vector<std::string> stages_of(const TrainingLog& run) {
  std::vector<std::string> stages;
  for (const Json& line : run.lines)
    if (const std::string stage = find_text(line, "stage");
        !stage.empty() && std::find(stages.begin(), stages.end(), stage) == stages.end() && stages.size() < 32)
      stages.push_back(stage);
  return stages;
}

std::vector<Point> series_of(const TrainingLog& run, const std::string& stage, const std::string& key) {
  std::vector<Point> points;
  for (const Json& line : run.lines) {
    if (find_text(line, "stage") != stage) continue;
    const auto step = find_number(line, "step"), value = find_number(line, key);
    if (step && value) points.push_back({*step, *value});
  }
  return points;
}

std::string curve_figures(const Say& say, std::span<const TrainingLog> runs) {
  static constexpr std::tuple<const char*, const char*, const char*> kCurves[] = {
      {"loss", "training loss", "训练损失"},
      {"val_monitor", "validation loss", "验证损失"},
      {"learning_rate", "learning rate", "学习率"},
      {"gradient_norm", "gradient norm", "梯度范数"}};
  std::vector<std::string> stages;
  for (const TrainingLog& run : runs)
    for (const std::string& stage : stages_of(run))
      if (std::find(stages.begin(), stages.end(), stage) == stages.end()) stages.push_back(stage);
  std::string out;
  for (const std::string& stage : stages) {
    std::string figures;
    for (const auto& [key, english, chinese] : kCurves) {
      std::vector<std::vector<Point>> lines;
      std::vector<double> values;
      double first = INFINITY, last = -INFINITY;
      for (const TrainingLog& run : runs) {
        lines.push_back(series_of(run, stage, key));
        for (const Point& p : lines.back())
          values.push_back(p.y), first = std::min(first, p.x), last = std::max(last, p.x);
      }
      if (values.size() < 2) continue;
      std::sort(values.begin(), values.end());
      // A few wild values at the start would flatten the rest.
      const double high =
          std::min(values.back(), 1.6 * values[static_cast<std::size_t>(.97 * static_cast<double>(values.size() - 1))]);
      const double top = high > values.front() ? high : values.back();
      const bool far_from_zero = values.front() > .5 * top;
      const Axis y = nice_axis(
          far_from_zero ? values.front() - .08 * (top - values.front()) : std::min(0.0, values.front()), top, "", 3);
      Plot plot(fmt::format("{}: {}", say(english, chinese), stage), nice_axis(first, last, say("update", "更新步")), y,
                290, 190);
      for (std::size_t i = 0; i < lines.size(); ++i) {
        plot.line(thinned(lines[i], 220),
                  fmt::format("{} {}", series_class(i), lines[i].size() > 40 ? "thin" : "").c_str());
        if (lines[i].size() <= 40 && runs.size() == 1)
          for (const Point& p : lines[i]) plot.dot(p, 2.4, "dot", fmt::format("{}: {}", p.x, number_text(p.y, 4)));
      }
      figures +=
          fmt::format("<figure>{}<figcaption><b>{}</b></figcaption></figure>\n", plot.svg(), say(english, chinese));
    }
    if (figures.empty()) continue;
    const char* name = stage_name(say, stage);
    out += fmt::format("<h3>{}</h3><div class=\"grid4\">{}</div>", name ? name : escape_html(stage), figures);
  }
  if (!out.empty() && runs.size() > 1) {
    std::string key = "<ul class=\"key\">";
    for (std::size_t i = 0; i < runs.size(); ++i)
      key += fmt::format(
          "<li><svg viewBox=\"0 0 24 14\" aria-hidden=\"true\"><path class=\"line {}\" d=\"M1 7H23\"/></svg>{}</li>",
          series_class(i), escape_html(runs[i].name));
    out = key + "</ul>" + out;
  }
  return out;
}

}  // namespace cp
