#include "report/report.h"

#include <fmt/format.h>

#include "report/style.h"

namespace cp {
namespace {

struct Section {
  const char *id, *english, *chinese;
  std::string body;
};

// One sentence of what was measured on what.
std::string lead(const Say& say, const Validation& validation, const std::optional<ModelFacts>& model) {
  const Json& metrics = validation.metrics;
  const std::string name = escape_html(model ? model->manifest.name : find_text(metrics, "run.model"));
  const std::string data = escape_html(find_text(metrics, "run.data")),
                    split = escape_html(find_text(metrics, "run.split"));
  const auto pairs = find_number(metrics, "run.pairs");
  const std::string n = pairs ? fmt::format("{}", static_cast<long long>(*pairs)) : "?";
  return say.chinese() ? fmt::format(
                             "模型 <b>{}</b> 在数据集 <b>{}</b> 的 {} 部分的 {} "
                             "对图像上的测量结果，每项得分旁列出从不看图像的基线。",
                             name, data, split, n)
                       : fmt::format(
                             "Model <b>{}</b>, measured on the {} pairs of <b>{}</b> ({}). Beside each score stands "
                             "what a program "
                             "reaches that never looks at the images.",
                             name, n, data, split);
}

std::string provenance(const Say& say, const ReportInput& input) {
  std::string list = "<dl>";
  const auto entry = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) list += fmt::format("<dt>{}</dt><dd>{}</dd>", name, escape_html(value));
  };
  static constexpr std::tuple<const char*, const char*, const char*> kFacts[] = {
      {"model", "model", "模型"},
      {"data", "data", "数据"},
      {"split", "split", "划分"},
      {"pairs", "pairs", "图像对"},
      {"seed", "seed", "种子"},
      {"num_samples", "samples", "采样数"},
      {"target", "target", "目标"},
      {"resamples", "resamples", "重采样次数"},
      {"instruction", "instruction", "指令"}};
  for (const Validation& validation : input.validations) {
    std::string text = "metrics.json, predictions.jsonl";
    for (const auto& [key, english, chinese] : kFacts) {
      const Json* value = find_member(validation.metrics, std::string("run.") + key);
      if (!value || value->is_structured() || value->is_null() || *value == "") continue;
      text +=
          fmt::format("; {} {}", say(english, chinese), value->is_string() ? value->get<std::string>() : value->dump());
    }
    entry(escape_html(validation.name), text);
    if (validation.damaged > 0)
      entry(escape_html(validation.name),
            fmt::format("{} {}", validation.damaged,
                        say("lines of predictions.jsonl could not be read and are left out",
                            "行 predictions.jsonl 无法读取，已略过")));
  }
  for (const TrainingLog& run : input.runs)
    entry(escape_html(run.name), fmt::format("metrics.jsonl, {} {}", run.lines.size(), say("lines", "行")));
  return list + "</dl>";
}

constexpr std::size_t kCases = 4;  // of each kind, in the page that `validate` writes

}  // namespace

std::string validation_page(const std::filesystem::path& folder, const std::string& name,
                            const std::filesystem::path& data, const std::filesystem::path& model) {
  ReportInput input;
  input.validations = {read_validation(folder)};
  input.validations[0].name = name;
  input.model = read_model_facts(model);
  input.cases = choose_cases(input.validations[0].pairs, kCases);
  load_images(data, input.cases);
  return report_page(input);
}

std::string report_page(const ReportInput& input) {
  const Say say(input.chinese);
  const Validation* first = input.validations.empty() ? nullptr : &input.validations.front();
  const std::string none = fmt::format("<p class=\"missing\">{} {}</p>", say.not_measured(),
                                       say("— give the folder that `changepilot validate --out` wrote.",
                                           "——请给出 changepilot validate --out 写出的文件夹。"));
  std::vector<Section> sections;
  sections.push_back({"main", "Main results", "主要结果", first ? headline_section(say, *first) : none});
  sections.push_back({"model", "Architecture", "结构", model_section(say, input.model, first)});
  sections.push_back({"results", "Results", "详细结果", first ? results_section(say, *first) : none});
  std::string ablation = ablation_section(say, input.validations);
  if (!input.comparisons.empty()) ablation += comparison_section(say, input.validations, input.comparisons);
  sections.push_back({"ablation", "Ablation", "消融与对照", ablation});
  std::string cases = cases_section(say, input.cases, first && !first->pairs.empty());
  if (input.other_answers > 0)
    cases += fmt::format("<p class=\"cap\">{}: {}</p>",
                         say("Cases without a slider because the model that was given answers otherwise",
                             "因所给模型的回答与记录不同而没有滑块的案例"),
                         input.other_answers);
  sections.push_back({"cases", "Case studies", "案例", cases});
  sections.push_back({"performance", "Performance and memory", "性能与内存",
                      performance_section(say, first, input.model, input.runs)});
  sections.push_back({"training", "Training", "训练过程", training_section(say, input.runs)});
  sections.push_back({"thought", "Chain of thought", "思维链", thought_section(say, input.validations)});
  sections.push_back({"files", "Where the numbers come from", "数据来源", provenance(say, input)});

  const char* title = say("ChangePilot experiment report", "ChangePilot 实验报告");
  std::string body = fmt::format("<header><h1>{}</h1>", title);
  body += first ? fmt::format("<p class=\"lead\">{}</p>", lead(say, *first, input.model))
                : fmt::format("<p class=\"sub\">{}</p>", say("training run", "训练运行"));
  std::string nav, main;
  int number = 0;
  for (const Section& section : sections) {
    const char* name = say(section.english, section.chinese);
    ++number;
    nav += fmt::format("<li><a href=\"#{}\"><span class=\"n\">{}</span>{}</a></li>", section.id, number, name);
    main += fmt::format(
        "<section aria-labelledby=\"{0}\"><h2 id=\"{0}\"><span class=\"n\">{1}</span>{2}</h2>\n{3}</section>\n",
        section.id, number, name, section.body);
  }
  body += fmt::format("<nav aria-label=\"{}\"><ol>{}</ol></nav></header>\n<main>\n{}</main>\n", say("sections", "目录"),
                      nav, main);
  body += fmt::format("<footer><p class=\"sub\">{}</p></footer>\n",
                      say("Every number comes from the files named in the last section; nothing was filled in by hand.",
                          "所有数值都来自上一节列出的文件，没有任何手工填写。"));
  return html_page(say, title, "", body + kPageScript);
}

}  // namespace cp
