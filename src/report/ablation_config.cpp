#include "report/ablation_config.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/file.h"
#include "core/yaml.h"
#include "report/ablation_cells.h"

namespace cp {
namespace {

constexpr std::size_t kMostSeeds = 100, kMostMetrics = 64;

void check_options(const AblationOptions& o, const std::string& where) {
  const auto wrong = [&](const char* name, const std::string& what) {
    throw UserError(ErrorKind::usage, where, fmt::format("\"{}\": {}", name, what), "");
  };
  if (o.data.empty()) wrong("data", "wanted a folder in LEVIR-CC layout.");
  if (o.base.empty()) wrong("base", "wanted a config file of `train`.");
  if (o.out.empty()) wrong("out", "wanted a folder.");
  if (o.seeds.empty() || o.seeds.size() > kMostSeeds) wrong("seeds", fmt::format("wanted 1 to {} seeds.", kMostSeeds));
  if (std::set<int>(o.seeds.begin(), o.seeds.end()).size() != o.seeds.size() ||
      *std::min_element(o.seeds.begin(), o.seeds.end()) < 0)
    wrong("seeds", "wanted different whole numbers of 0 or more.");
  if (o.metrics.empty() || o.metrics.size() > kMostMetrics)
    wrong("metrics", fmt::format("wanted 1 to {} paths.", kMostMetrics));
  if (std::set<std::string>(o.metrics.begin(), o.metrics.end()).size() != o.metrics.size())
    wrong("metrics", "a path stands twice.");
  if (o.resamples < 0 || o.resamples > 100000) wrong("resamples", "wanted 0 to 100000.");
  for (const std::string& text : o.train)
    if (const auto fault = train_fault(text)) throw UserError(ErrorKind::usage, where, *fault, "");
  for (const std::string& text : o.validate)
    if (const auto fault = validate_fault(text)) throw UserError(ErrorKind::usage, where, *fault, "");
}

}  // namespace

std::pair<std::string, std::string> train_option(const std::string& text) {
  const std::size_t equals = text.find('=');
  std::string name = text.substr(0, equals);
  std::replace(name.begin(), name.end(), '-', '_');
  return {name, text.substr(equals + 1)};
}

AblationConfig parse_ablation(const std::string& text, const std::string& where,
                              const std::vector<std::string>& overrides) {
  AblationConfig config;
  std::vector<YamlFault> faults;
  YamlNode root = parse_yaml(text, faults);
  if (!faults.empty()) throw_yaml_faults(where, std::move(faults));  // a tree that is cut off has further faults
  YamlNode tables;                                                   // stands apart; everything else is an option
  if (root.kind == YamlNode::Kind::map)
    for (std::size_t i = 0; i < root.items.size(); ++i)
      if (root.items[i].key == "tables") {
        tables = std::move(root.items[i]);
        root.items.erase(root.items.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      }
  OptionSet options(config.options);
  options.read_yaml_tree(root, where, faults);
  for (const std::string& assignment : overrides) options.set_assignment(assignment, "command line");
  if (tables.key_line == 0) tables.key_line = 1;  // absent: said of the file's first line
  read_ablation_tables(tables, config, faults);
  if (!faults.empty()) throw_yaml_faults(where, std::move(faults));
  check_options(config.options, where);
  return config;
}

AblationConfig read_ablation(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  return parse_ablation(read_file(path, kMaxConfigBytes, ErrorKind::usage), path.string(), overrides);
}

}  // namespace cp
