// The headline, the tables of results with their figures, and the ablation.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/figures.h"
#include "report/sections.h"

namespace cp {
namespace {

// The difference from a floor ("blind", "caption_flag") as `validate` measured it, over the same resamples. A cell that
// is empty where there is no such floor.
std::string delta_cell(const Say& say, const Json& metrics, const char* floor, const Measure& measure, bool has_floor) {
  const Json* all = find_member(metrics, std::string("delta.") + floor);
  std::optional<Score> delta;
  if (all && all->is_object() && all->contains(measure.path))
    delta = find_score(Json{{"d", all->at(measure.path)}}, "d");
  return delta || has_floor ? difference_cell(say, delta, measure) : "";
}

std::string plain_cell(const std::optional<Score>& score, int decimals) {
  return score ? number_text(score->value, decimals) : "";
}

// Model, blind floor, difference.
std::vector<std::string> row_cells(const Say& say, const Json& metrics, const Measure& measure) {
  const auto floor = blind_floor(metrics, measure.path);
  return {score_cell(say, find_score(metrics, measure.path), measure.decimals), plain_cell(floor, measure.decimals),
          delta_cell(say, metrics, "blind", measure, floor.has_value())};
}

std::string count_text(const Say& say, const Json& metrics, const char* path) {
  const auto n = find_number(metrics, path);
  return n ? fmt::format(" <span class=\"ci\">n = {}</span>", static_cast<long long>(*n)) : say("", "");
}

std::string captions_table(const Say& say, const Json& metrics) {
  static constexpr std::pair<const char*, const char*> kScores[] = {
      {"bleu1", "BLEU-1"},  {"bleu2", "BLEU-2"},    {"bleu3", "BLEU-3"}, {"bleu4", "BLEU-4"},
      {"meteor", "METEOR"}, {"rouge_l", "ROUGE-L"}, {"cider", "CIDEr"},  {"s_m", "S*m"}};
  HtmlTable table(say("Captions", "描述"));
  table.head({say("Score", "指标"), say("model", "模型"), say("one sentence", "固定一句"),
              say("flag + sentence", "判断 + 固定句"), say("model − sentence", "模型 − 固定句"),
              say("model − flag + sentence", "模型 − 判断加固定句")});
  for (const auto& [half, english, chinese] :
       {std::tuple("changed", "Changed half", "有变化的一半"), std::tuple("all", "All pairs", "全部图像对"),
        std::tuple("unchanged", "Unchanged half", "无变化的一半")}) {
    const std::string root = fmt::format("caption.text.{}", half);
    if (!find_member(metrics, root)) continue;
    table.group(say(english, chinese) + count_text(say, metrics, (root + ".n").c_str()));
    for (const auto& [key, name] : kScores) {
      const std::string path = root + "." + key;
      if (!find_score(metrics, path)) continue;
      const Measure measure{path.c_str(), "", ""};
      const auto floor = flag_floor(metrics, path);
      std::vector<std::string> cells = row_cells(say, metrics, measure);
      cells.insert(cells.begin() + 2, plain_cell(floor, 3));
      cells.push_back(delta_cell(say, metrics, "caption_flag", measure, floor.has_value()));
      table.row(fmt::format("<span class=\"nb\">{}</span>", name), cells);
    }
  }
  return table.html();
}

std::string measures_table(const Say& say, const Json& metrics, const char* caption,
                           std::initializer_list<Measure> measures) {
  HtmlTable table(caption);
  table.head(
      {say("Score", "指标"), say("model", "模型"), say("blind", "盲基线"), say("model − blind", "模型 − 盲基线")});
  for (const Measure& measure : measures) {
    if (!find_score(metrics, measure.path)) continue;
    table.row(say(measure.english, measure.chinese), row_cells(say, metrics, measure));
  }
  return table.html();
}

std::string action_tables(const Say& say, const Json& metrics) {
  const auto measures = [&](const std::string& root) {
    std::vector<std::pair<std::string, Measure>> out;
    const auto add = [&](const char* key, const char* english, const char* chinese, int decimals, bool lower) {
      out.emplace_back(root + "." + key, Measure{"", english, chinese, decimals, lower});
    };
    add("sr_mask", "on changed ground", "落在变化区域上", 3, false);
    add("sr_largest", "in the largest change's box", "落在最大变化的框内", 3, false);
    add("sr_any", "in any change's box", "落在任一变化的框内", 3, false);
    add("sr_union", "in the box round all changes", "落在全部变化的外框内", 3, false);
    add("mse", "MSE per coordinate", "每坐标 MSE", 4, true);
    add("mae", "MAE per coordinate", "每坐标 MAE", 3, true);
    add("median_error_px", "median distance, px", "距离中位数（像素）", 1, true);
    add("p90_error_px", "90 % of the distances below, px", "距离的 90 % 分位（像素）", 1, true);
    add("energy_score", "energy score of the samples", "采样的能量得分", 3, true);
    add("type_accuracy", "zoom or hover, accuracy", "放大或悬停，准确率", 3, false);
    return out;
  };
  HtmlTable table(say("Action", "动作"));
  table.head(
      {say("Score", "指标"), say("model", "模型"), say("blind", "盲基线"), say("model − blind", "模型 − 盲基线")});
  for (const auto& [root, english, chinese] :
       {std::tuple("action", "Action head", "动作头"),
        std::tuple("map.peak", "Peak of the change map (rival)", "变化图的峰值（对照）")}) {
    if (!find_member(metrics, root)) continue;
    table.group(say(english, chinese) + count_text(say, metrics, (std::string(root) + ".n").c_str()));
    for (auto& [path, measure] : measures(root)) {
      measure.path = path.c_str();
      if (!find_score(metrics, path)) continue;
      table.row(say(measure.english, measure.chinese), row_cells(say, metrics, measure));
    }
  }
  return table.html();
}

std::string region_table(const Say& say, const Json& metrics) {
  const Json* levels = find_member(metrics, "region.levels");
  if (!levels || !levels->is_array() || levels->empty())
    return fmt::format("<p class=\"missing\">{}</p>", say.not_measured());
  HtmlTable table(say("Region", "区域"));
  table.head({say("promised coverage", "承诺的覆盖率"), say("measured coverage", "实测覆盖率"),
              say("mean share of the image", "平均占图像面积")});
  for (const Json& level : *levels)
    table.row(number_text(find_number(level, "level").value_or(NAN), 2),
              {score_cell(say, find_score(level, "coverage"), 3), score_cell(say, find_score(level, "area"), 3)});
  return table.html();
}

// Interval, value and floors on a line from 0 to `high`.
std::string strip(const Json& metrics, const Measure& measure, double high) {
  const auto score = find_score(metrics, measure.path);
  const auto x = [high](double v) { return 4 + 232 * std::clamp(v / high, 0.0, 1.0); };
  std::string out =
      "<td class=\"strip\"><svg viewBox=\"0 0 240 22\" preserveAspectRatio=\"none\" aria-hidden=\"true\">";
  out += fmt::format("<path class=\"grid\" d=\"M{:.0f} 11H{:.0f}M{:.0f} 8v6M{:.0f} 8v6M{:.0f} 9v4\"/>", x(0), x(high),
                     x(0), x(high), x(high / 2));
  const auto tick = [&](const std::optional<Score>& floor, const char* color) {
    if (floor)
      out += fmt::format("<path d=\"M{:.1f} 4v14\" stroke=\"var(--{})\" stroke-width=\"2\"/>", x(floor->value), color);
  };
  tick(blind_floor(metrics, measure.path), "floor");
  tick(flag_floor(metrics, measure.path), "flagfloor");
  if (score && score->low)
    out += fmt::format("<path d=\"M{:.1f} 11H{:.1f}\" stroke=\"var(--model)\" stroke-width=\"5\" opacity=\".35\"/>",
                       x(*score->low), x(*score->high));
  if (score)
    out += fmt::format(
        "<path d=\"M{:.1f} 11h.01\" stroke=\"var(--model)\" stroke-width=\"9\" stroke-linecap=\"round\" "
        "vector-effect=\"non-scaling-stroke\"/>",
        x(score->value));
  return out + "</svg></td>";
}

std::string floors_key(const Say& say) {
  const auto entry = [](const char* color, const char* mark, const char* text) {
    return fmt::format(
        "<li><svg viewBox=\"0 0 24 14\" aria-hidden=\"true\"><path d=\"{}\" fill=\"none\" "
        "stroke=\"var(--{})\" stroke-width=\"{}\" stroke-linecap=\"round\"/></svg>{}</li>",
        mark, color, std::string_view(mark).find('h') != std::string_view::npos ? 8 : 2, text);
  };
  return "<ul class=\"key\">" +
         entry("model", "M12 7h.01", say("model, with its 95 % interval", "模型及其 95 % 区间")) +
         entry("floor", "M12 1v12", say("blind: never looks at the images", "盲基线：从不看图像")) +
         entry("flagfloor", "M12 1v12",
               say("blind captions picked by the model's own flag", "由模型自己的变化判断选择的固定句")) +
         "</ul>";
}

}  // namespace

std::string headline_section(const Say& say, const Validation& validation) {
  const Json& metrics = validation.metrics;
  HtmlTable table(say("Main results", "主要结果"));
  table.head(
      {say("Score", "指标"), say("model", "模型"), "|", say("blind", "盲基线"), say("model − blind", "模型 − 盲基线")});
  for (const Measure& measure : main_measures()) {
    std::vector<std::string> cells = row_cells(say, metrics, measure);
    const bool cider = std::string_view(measure.path).ends_with("cider");
    cells.insert(cells.begin() + 1, strip(metrics, measure, cider ? 2.0 : 1.0));
    table.row(say(measure.english, measure.chinese), cells);
  }
  const auto resamples = find_number(metrics, "run.resamples");
  std::string note = say("Small figures are 95 % intervals", "小字为 95 % 置信区间");
  if (resamples)
    note += say.chinese() ? fmt::format("（对图像对自助重采样 {} 次）", static_cast<long long>(*resamples))
                          : fmt::format(" over {} resamples of the pairs", static_cast<long long>(*resamples));
  note += say("; a difference is coloured where its interval leaves zero out. Lines run from 0 to 1 (CIDEr: 0 to 2).",
              "；差值的区间不含零时才着色。横线范围为 0 到 1（CIDEr 为 0 到 2）。");
  return table.html() + floors_key(say) + "<p class=\"cap\">" + note + "</p>";
}

std::string results_section(const Say& say, const Validation& validation) {
  const Json& metrics = validation.metrics;
  std::string out = fmt::format("<h3>{}</h3>", say("Captions", "描述"));
  out += find_member(metrics, "caption.text") ? captions_table(say, metrics)
                                              : fmt::format("<p class=\"missing\">{}</p>", say.not_measured());
  const std::string constant = find_text(metrics, "blind.sentences.constant"),
                    changed = find_text(metrics, "blind.sentences.changed");
  out += fmt::format(
      "<p class=\"cap\">{}</p>",
      fmt::format(fmt::runtime(say(
                      "One sentence: every pair gets “{}” (the changed half: “{}”). Flag + sentence: the model's flag "
                      "picks one of the two. Most of a whole-set score is the flag; the changed half is where "
                      "captioning shows.",
                      "固定一句：每对图像都回答“{}”（有变化的一半：“{}”）。判断 + 固定句：由模型的变化判断二选一。"
                      "全集得分大半来自变化判断，描述能力要看有变化的一半。")),
                  escape_html(constant.empty() ? "–" : constant), escape_html(changed.empty() ? "–" : changed)));
  out += fmt::format("<h3>{}</h3><div class=\"wide2 flip\"><div>", say("Change flag", "变化判断"));
  out +=
      measures_table(say, metrics, say("Change flag", "变化判断"),
                     {{"flag.accuracy", "accuracy", "准确率"},
                      {"flag.precision", "precision", "精确率"},
                      {"flag.recall", "recall", "召回率"},
                      {"flag.f1", "F1", "F1"},
                      {"flag.false_alarms_per_100", "false alarms per 100 unchanged", "每 100 对无变化的误报", 1, true},
                      {"flag.brier", "Brier score", "Brier 得分", 3, true},
                      {"flag.ece", "calibration error (ECE)", "校准误差（ECE）", 3, true}});
  out += "</div>" + reliability_figure(say, metrics) + "</div>";
  out += fmt::format("<h3>{}</h3>", say("Action", "动作")) + action_tables(say, metrics);
  if (const auto left_out = find_number(metrics, "contradictory.n")) {
    // The rule of version 1, in the page's language.
    const std::string rule = say.chinese() ? "标注中有变化而变化标志为无变化；不计入动作、区域与风险"
                                           : escape_html(find_text(metrics, "contradictory.rule"));
    out += say.chinese()
               ? fmt::format("<p class=\"cap\">排除 {} 对自相矛盾的图像（{}）。</p>", number_text(*left_out, 0), rule)
               : fmt::format("<p class=\"cap\">{} contradictory pairs are left out ({}).</p>",
                             number_text(*left_out, 0), rule);
  }
  out += "<div class=\"grid3\">" + error_figure(say, validation) + risk_figure(say, metrics) +
         coverage_figure(say, metrics) + "</div>";
  out += fmt::format("<h3>{}</h3>", say("Region that is promised to hold the target", "承诺包含目标的区域")) +
         region_table(say, metrics);
  out += fmt::format("<h3>{}</h3>", say("Change map", "变化图"));
  const auto iou = find_score(metrics, "map.iou");
  out += fmt::format("<p>{} {}</p>", say("IoU over all pixels of the split:", "全部像素上的 IoU："),
                     score_cell(say, iou, 3));
  return out;
}

std::string ablation_section(const Say& say, std::span<const Validation> validations) {
  if (validations.size() < 2)
    return fmt::format("<p class=\"missing\">{} {}</p>", say.not_measured(),
                       say("— one run was given. Give the folders of several validations to compare them.",
                           "——只给出了一次运行。给出多个验证文件夹即可比较。"));
  HtmlTable table(say("Runs side by side", "各次运行对照"));
  std::vector<std::string> head{say("Score", "指标")};
  for (const Validation& validation : validations) head.push_back(escape_html(validation.name));
  head.push_back(say("blind", "盲基线"));
  table.head(head);
  for (const Measure& measure : main_measures()) {
    std::vector<std::string> cells;
    for (const Validation& validation : validations)
      cells.push_back(score_cell(say, find_score(validation.metrics, measure.path), measure.decimals));
    cells.push_back(plain_cell(blind_floor(validations[0].metrics, measure.path), measure.decimals));
    table.row(say(measure.english, measure.chinese), cells);
  }
  return table.html() +
         fmt::format(
             "<p class=\"cap\">{}</p>",
             say("Each interval is of one run's pairs; it does not hold the spread between seeds. Differences between "
                 "runs are to be read from paired intervals (--compare).",
                 "每个区间只反映该次运行的图像对抽样，不含不同种子之间的差异。运行之间的差别应看配对区间（--"
                 "compare）。"));
}

std::string thought_section(const Say& say, std::span<const Validation> validations) {
  const Validation *with = nullptr, *without = nullptr;
  for (const Validation& validation : validations) {
    const Json* thought = find_member(validation.metrics, "run.chain_of_thought");
    if (thought && thought->is_boolean()) (thought->get<bool>() ? with : without) = &validation;
  }
  if (!with || !without)
    return fmt::format("<p class=\"missing\">{} {}</p>", say.not_measured(),
                       say("— it takes one validation with chain-of-thought prompting and one without.",
                           "——需要一次使用思维链提示的验证和一次不使用的验证。"));
  HtmlTable table(say("Effect of chain-of-thought prompting", "思维链提示的效果"));
  table.head({say("Score", "指标"), say("without", "不使用"), say("with", "使用"), say("difference", "差值")});
  for (const Measure& measure : main_measures()) {
    const auto a = find_score(without->metrics, measure.path), b = find_score(with->metrics, measure.path);
    table.row(
        say(measure.english, measure.chinese),
        {score_cell(say, a, measure.decimals), score_cell(say, b, measure.decimals),
         difference_cell(say, a && b ? std::optional(Score{b->value - a->value, {}, {}}) : std::nullopt, measure)});
  }
  return table.html();
}

}  // namespace cp
