#include "data/check.h"

#include <algorithm>

#include <fmt/format.h>

namespace cp {
namespace {

Json findings_json(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) list.push_back({{"where", finding.where}, {"what", finding.what}});
  return list;
}

template <class Key>
Json counts_json(const std::map<Key, int>& counts) {
  Json object = Json::object();
  for (const auto& [key, count] : counts) object[fmt::format("{}", key)] = count;
  return object;
}

// "256x256 (1240), 512x512 (2)"
template <class Key>
std::string counts_text(const std::map<Key, int>& counts) {
  std::string text;
  for (const auto& [key, count] : counts) text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", key, count);
  return text.empty() ? "none" : text;
}

void add_list(std::string& text, const std::string& title, const std::vector<std::string>& lines, int limit) {
  text += fmt::format("\n{}: {}\n", title, lines.empty() ? "none" : std::to_string(lines.size()));
  const std::size_t shown = std::min(lines.size(), static_cast<std::size_t>(std::max(limit, 0)));
  for (std::size_t i = 0; i < shown; ++i) text += fmt::format("  {}\n", lines[i]);
  if (shown < lines.size()) text += fmt::format("  ... and {} more (--json lists all)\n", lines.size() - shown);
}

std::vector<std::string> lines_of(const std::vector<Finding>& findings) {
  std::vector<std::string> lines;
  for (const Finding& finding : findings) lines.push_back(fmt::format("{}: {}", finding.where, finding.what));
  return lines;
}

}  // namespace

const char* mask_convention_text(MaskConvention convention) {
  switch (convention) {
    case MaskConvention::none:
      return "no label images";
    case MaskConvention::empty:
      return "0 only: no change is marked anywhere";
    case MaskConvention::levir_mci:
      return "LEVIR-MCI: 0 none, 128 road, 255 building";
    case MaskConvention::levir_cd:
      return "LEVIR-CD: 0 none, 255 building";
    case MaskConvention::zero_one:
      return "0/1: 1 is changed (looks black in a viewer, but is not empty)";
    case MaskConvention::other:
      return "no known convention: every value but 0 counts as changed";
  }
  return "";
}

Json report_json(const DatasetReport& report) {
  Json splits = Json::object();
  for (const auto& [split, c] : report.splits)
    splits[split] = {{"pairs", c.pairs},
                     {"changed", c.changed},
                     {"labels", c.labels},
                     {"captions", c.captions},
                     {"scenes", c.scenes}};
  return {{"root", report.root.string()},
          {"caption_file", report.caption_file.filename().string()},
          {"usable", report.usable()},
          {"splits", splits},
          {"sizes", counts_json(report.sizes)},
          {"mask_values", counts_json(report.mask_values)},
          {"mask_convention", mask_convention_text(report.convention)},
          {"captions_a_pair", counts_json(report.captions_a_pair)},
          {"errors", findings_json(report.errors)},
          {"contradictory", findings_json(report.contradictory)},
          {"unmarked", report.unmarked},
          {"warnings", findings_json(report.warnings)},
          {"files_read", report.files_read},
          {"seconds", report.seconds}};
}

std::string report_text(const DatasetReport& report, int list_limit) {
  std::string text =
      fmt::format("{} (captions: {})\n\n", report.root.string(), report.caption_file.filename().string());
  text +=
      fmt::format("{:<10}{:>8}{:>9}{:>8}{:>10}{:>8}\n", "split", "pairs", "changed", "labels", "captions", "scenes");
  for (const auto& [split, c] : report.splits)
    text += fmt::format("{:<10}{:>8}{:>9}{:>8}{:>10}{:>8}\n", split.empty() ? "(none)" : split, c.pairs, c.changed,
                        c.labels, c.captions, c.scenes);
  text += fmt::format("\nimage sizes (images): {}\n", counts_text(report.sizes));
  text += fmt::format("mask values (files): {}; {}\n", counts_text(report.mask_values),
                      mask_convention_text(report.convention));
  text += fmt::format("captions a pair (pairs): {}\n", counts_text(report.captions_a_pair));

  add_list(text, "Errors", lines_of(report.errors), list_limit);
  add_list(text, "Contradictory pairs (unchanged by flag, changed by mask)", lines_of(report.contradictory),
           list_limit);
  if (!report.contradictory.empty())
    text += "  Training and scoring use their captions and flag; their mask and action target are not used.\n";
  add_list(text, "Changed pairs with an empty mask", report.unmarked, std::min(list_limit, 5));
  if (!report.unmarked.empty())
    text +=
        "  No fault: masks mark buildings (and roads) only, the captions may speak of trees. Captions and flag are "
        "used;\n"
        "  the change map does not learn from the empty mask, and there is no point to learn.\n";
  add_list(text, "Warnings", lines_of(report.warnings), list_limit);
  text += fmt::format("\n{}: {} files read in {:.1f} s.\n", report.usable() ? "Usable" : "Not usable",
                      report.files_read, report.seconds);
  return text;
}

}  // namespace cp
