#include "report/ablation_files.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/file.h"
#include "report/answer_json.h"
#include "report/html.h"
#include "report/sections.h"
#include "text/unicode.h"

namespace cp {
namespace {

constexpr int kDecimals = 3;

std::string signed_text(double value) { return (value > 0 ? "+" : "") + number_text(value, kDecimals); }

// "sr_mask" for "action.sr_mask" where no other metric ends alike.
std::vector<std::string> short_names(const std::vector<std::string>& metrics) {
  const auto tail = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };
  std::vector<std::string> names;
  for (const std::string& path : metrics) {
    const auto alike = std::count_if(metrics.begin(), metrics.end(),
                                     [&](const std::string& other) { return tail(other) == tail(path); });
    names.push_back(alike > 1 ? path : tail(path));
  }
  return names;
}

// Text of any origin in a Markdown table or line: nothing of it is markup.
std::string escape_markdown(std::string_view text) {
  std::string out;
  for (const char c : replace_invalid_utf8(text)) {
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
      if (std::string_view("|<>&*`[]\\").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

// Rows of cells, the first row above a rule; columns aligned by code points.
std::string markdown_table(const std::vector<std::vector<std::string>>& rows) {
  const auto width = [](const std::string& text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; }));
  };
  std::vector<std::size_t> widths(rows.front().size(), 3);
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width(row[c]));
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const std::string space(widths[c] - width(rows[r][c]), ' ');
      out += "| " + (c == 0 ? rows[r][c] + space : space + rows[r][c]) + " ";
    }
    out += "|\n";
    if (r > 0) continue;
    for (std::size_t c = 0; c < widths.size(); ++c)
      out += c == 0 ? "|" + std::string(widths[c] + 2, '-') : "|" + std::string(widths[c] + 1, '-') + ":";
    out += "|\n";
  }
  return out;
}

std::string value_text(const std::optional<AblationValue>& value) {
  if (!value) return "–";
  return number_text(value->mean, kDecimals) + (value->spread ? " ± " + number_text(*value->spread, kDecimals) : "");
}

std::string difference_text(const std::optional<AblationDifference>& d) {
  if (!d) return "–";
  std::string text = signed_text(d->value);
  if (d->interval) text += fmt::format(" [{}, {}]", signed_text(d->interval->low), signed_text(d->interval->high));
  return text + (d->clear() ? " \\*" : "");
}

// Metrics for which any row has a difference.
std::vector<std::size_t> compared_metrics(const AblationTableResult& table) {
  std::vector<std::size_t> out;
  for (std::size_t m = 0; m < table.floors.size(); ++m)
    if (std::any_of(table.rows.begin(), table.rows.end(),
                    [&](const AblationRow& row) { return row.differences[m].has_value(); }))
      out.push_back(m);
  return out;
}

std::string table_text(const AblationTableResult& table, const std::vector<std::string>& names) {
  std::string out = fmt::format("## {}\n\n", escape_markdown(table.title));
  if (!table.question.empty()) out += escape_markdown(table.question) + "\n\n";
  std::vector<std::vector<std::string>> rows{{"cell", "n"}};
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  for (const AblationRow& row : table.rows) {
    rows.push_back({row.name + (row.baseline ? " (baseline)" : ""), std::to_string(row.done)});
    for (const auto& value : row.values) rows.back().push_back(value_text(value));
  }
  rows.push_back({"blind", ""});
  for (const auto& floor : table.floors) rows.back().push_back(floor ? number_text(*floor, kDecimals) : "–");
  out += markdown_table(rows);
  if (const std::vector<std::size_t> compared = compared_metrics(table); !compared.empty()) {
    rows = {{"cell − " + table.baseline}};
    for (const std::size_t m : compared) rows[0].push_back(names[m]);
    for (const AblationRow& row : table.rows) {
      if (row.baseline) continue;
      rows.push_back({row.name});
      for (const std::size_t m : compared) rows.back().push_back(difference_text(row.differences[m]));
    }
    out += "\n" + markdown_table(rows);
  }
  for (const AblationRow& row : table.rows)
    for (const std::string& fault : row.faults) out += fmt::format("\n- failed: {}", escape_markdown(fault));
  return out + (out.back() == '\n' ? "" : "\n");
}

std::string table_section(const Say& say, const AblationTableResult& table, const AblationResults& results) {
  const std::vector<std::string> names = short_names(results.metrics);
  std::string out = table.question.empty() ? "" : fmt::format("<p>{}</p>\n", escape_html(table.question));
  HtmlTable means(escape_html(table.title));
  std::vector<std::string> head{say("cell", "单元"), "n"};
  for (const std::string& name : names) head.push_back(escape_html(name));
  means.head(head);
  for (const AblationRow& row : table.rows) {
    std::vector<std::string> cells{std::to_string(row.done)};
    for (const auto& value : row.values) {
      cells.push_back(value ? fmt::format("<span class=\"v\">{}</span>", number_text(value->mean, kDecimals)) : "–");
      if (value && value->spread)
        cells.back() += fmt::format("<span class=\"ci\">± {}</span>", number_text(*value->spread, kDecimals));
    }
    means.row(escape_html(row.name) + (row.baseline ? say(" (baseline)", "（基准）") : ""), cells);
  }
  std::vector<std::string> floors{""};
  for (const auto& floor : table.floors) floors.push_back(floor ? number_text(*floor, kDecimals) : "–");
  means.row(say("blind", "盲基线"), floors);
  out += means.html();
  if (const std::vector<std::size_t> compared = compared_metrics(table); !compared.empty()) {
    HtmlTable differences(escape_html(table.title));
    head = {escape_html(say("cell − ", "单元 − ") + table.baseline)};
    for (const std::size_t m : compared) head.push_back(escape_html(names[m]));
    differences.head(head);
    for (const AblationRow& row : table.rows) {
      if (row.baseline) continue;
      std::vector<std::string> cells;
      for (const std::size_t m : compared) {
        const auto& d = row.differences[m];
        Score score{d ? d->value : 0, {}, {}};
        if (d && d->interval) score.low = d->interval->low, score.high = d->interval->high;
        cells.push_back(d ? difference_cell(say, score, {"", "", "", kDecimals, lower_is_better(results.metrics[m])})
                          : "–");
      }
      differences.row(escape_html(row.name), cells);
    }
    out += "<p></p>" + differences.html();
  }
  std::string faults;
  for (const AblationRow& row : table.rows)
    for (const std::string& fault : row.faults) faults += fmt::format("<li>{}</li>", escape_html(fault));
  if (!faults.empty())
    out += fmt::format("<p class=\"cap\">{}</p><ul class=\"cap\">{}</ul>", say("Cells that failed:", "失败的单元："),
                       faults);
  return out;
}

OrderedJson row_json(const AblationRow& row, const std::vector<std::string>& metrics) {
  OrderedJson json{{"cell", row.name}, {"seeds_done", row.done}};
  OrderedJson scores = OrderedJson::object(), differences = OrderedJson::object();
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    if (const auto& value = row.values[m]) {
      scores[metrics[m]] = {{"n", value->n}, {"mean", value->mean}};
      if (value->spread) scores[metrics[m]]["sd"] = *value->spread;
    }
    if (const auto& d = row.differences[m]) {
      OrderedJson entry{{"value", d->value}};
      if (d->interval) entry["low"] = d->interval->low, entry["high"] = d->interval->high;
      entry["pairs"] = d->pairs, entry["seeds"] = d->seeds, entry["excludes_zero"] = d->clear();
      differences[metrics[m]] = entry;
    }
  }
  json["scores"] = scores;
  if (!row.baseline && !differences.empty()) json["differences"] = differences;
  if (!row.faults.empty()) json["failed"] = row.faults;
  return json;
}

}  // namespace

bool lower_is_better(const std::string& metric) {
  static const std::set<std::string> kLower{"mse",    "mae",   "median_error_px",      "p90_error_px", "energy_score",
                                            "brier",  "ece",   "false_alarms_per_100", "aurc",         "area",
                                            "area90", "area50"};
  return kLower.contains(metric.substr(metric.rfind('.') + 1));
}

OrderedJson ablation_json(const AblationResults& results, const std::set<std::string>& always) {
  OrderedJson json{{"format", "changepilot-ablation"}, {"version", 1},
                   {"program", results.version},       {"data", results.data},
                   {"split", results.split},           {"seeds", results.seeds},
                   {"metrics", results.metrics},       {"resamples", results.resamples}};
  json["tables"] = OrderedJson::array();
  for (const AblationTableResult& table : results.tables) {
    if (table.empty() && !always.contains(table.name)) continue;
    OrderedJson entry{{"name", table.name}, {"title", table.title}};
    if (!table.question.empty()) entry["question"] = table.question;
    if (!table.baseline.empty()) entry["baseline"] = table.baseline;
    entry["cells"] = OrderedJson::array();
    for (const AblationRow& row : table.rows) entry["cells"].push_back(row_json(row, results.metrics));
    entry["blind"] = OrderedJson::object();
    for (std::size_t m = 0; m < results.metrics.size(); ++m)
      if (table.floors[m]) entry["blind"][results.metrics[m]] = *table.floors[m];
    json["tables"].push_back(entry);
  }
  return json;
}

std::string ablation_text(const AblationResults& results, const std::set<std::string>& only) {
  std::string out = fmt::format(
      "# Ablation\n\n{}, {}; seeds {}. Mean ± sample standard deviation over n seeds; –: not measured. Differences: 95 "
      "% "
      "interval, bootstrap over pairs and seeds; \\* leaves 0 out. blind: no look at the images.\n",
      escape_markdown(results.data), escape_markdown(results.split), fmt::join(results.seeds, ", "));
  for (const AblationTableResult& table : results.tables)
    if (only.empty() ? !table.empty() : only.contains(table.name))
      out += "\n" + table_text(table, short_names(results.metrics));
  return out;
}

std::string ablation_page(const AblationResults& results, bool chinese) {
  const Say say(chinese);
  const char* title = say("ChangePilot ablation", "ChangePilot 消融实验");
  std::string nav, main;
  int number = 0;
  for (const AblationTableResult& table : results.tables) {
    if (table.empty()) continue;
    ++number;
    const std::string id = "table-" + table.name, name = escape_html(table.title);
    nav += fmt::format("<li><a href=\"#{}\"><span class=\"n\">{}</span>{}</a></li>", id, number, name);
    main += fmt::format(
        "<section aria-labelledby=\"{0}\"><h2 id=\"{0}\"><span class=\"n\">{1}</span>{2}</h2>\n{3}</section>\n", id,
        number, name, table_section(say, table, results));
  }
  if (number == 0)
    main = fmt::format("<p class=\"missing\">{}</p>\n", say("No cell has run yet.", "尚无已运行的单元。"));
  const std::string lead =
      fmt::format(fmt::runtime(say("Variants trained with seeds {0}, measured on <b>{1}</b> ({2}).",
                                   "各变体以种子 {0} 训练，在数据集 <b>{1}</b>（{2}）上测量。")),
                  fmt::join(results.seeds, ", "), escape_html(results.data), escape_html(results.split));
  const std::string body = fmt::format(
      "<header><h1>{}</h1><p class=\"lead\">{}</p>\n<nav "
      "aria-label=\"{}\"><ol>{}</ol></nav></header>\n<main>\n{}</main>\n"
      "<footer><p class=\"sub\">{}</p></footer>\n",
      title, lead, say("sections", "目录"), nav, main,
      say("Mean ± sample standard deviation over n seeds; – is not measured. Differences: pairs and seeds matched, 95 "
          "% "
          "interval by the bootstrap over both, coloured where zero is left out.",
          "均值 ± n 个种子的样本标准差；– 表示未测量。差值：图像对与种子逐一配对，95 % 区间由对两者的自助重采样得出，"
          "不含零时着色。"));
  return html_page(say, title, "", body);
}

void write_ablation_files(const AblationResults& results, const std::filesystem::path& folder, bool chinese) {
  write_file_durable(folder / "ablation.json", dump_json(ablation_json(results), 2) + "\n");
  write_file_durable(folder / "ablation.md", ablation_text(results));
  write_file_durable(folder / "report.html", ablation_page(results, chinese));
}

}  // namespace cp
