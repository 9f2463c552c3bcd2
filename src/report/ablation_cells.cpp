#include "report/ablation_cells.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/yaml.h"

namespace cp {
namespace {

using Kind = YamlNode::Kind;
using Faults = std::vector<YamlFault>;

constexpr std::size_t kMostCells = 2000, kMostName = 100;
// What the matrix sets itself.
const std::vector<std::string> kOwnTrain{"seed", "out", "data", "from", "phase", "resume", "config"};
const std::vector<std::string> kOwnValidate{"data", "split", "out", "checkpoint", "model", "help"};
const std::vector<std::string> kTableKeys{"name",  "title",    "question", "baseline", "trunk",
                                          "train", "validate", "cells",    "matrix"};
const std::vector<std::string> kCellKeys{"name", "like", "trunk", "train", "validate"};

std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

bool is_one_of(const std::string& name, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Names become folders. Tables stand beside ablation.json and report.html, so theirs have no dot.
bool good_name(const std::string& name, bool dots) {
  const bool plain = std::all_of(name.begin(), name.end(), [&](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) || c == '_' || c == '-' || (dots && c == '.'));
  });
  return plain && !name.empty() && name.size() <= kMostName && name[0] != '.' && name[0] != '-';
}

bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// Reads the tables. Faults are noted and reading goes on.
class TablesReader {
 public:
  TablesReader(AblationConfig& config, Faults& faults) : config_(config), faults_(faults) {}

  void read(const YamlNode& list) {
    if (list.kind != Kind::list || list.items.empty()) {
      fault(list.key_line, "\"tables\": wanted a list of at least one table.");
      return;
    }
    std::set<std::string> names;
    for (const YamlNode& node : list.items) {
      if (!is_map(node, "a table", kTableKeys)) continue;
      read_table(node);
      if (!names.insert(config_.tables.back().name).second)
        fault(node.line, fmt::format("two tables are named \"{}\".", config_.tables.back().name));
      if (config_.cells.size() > kMostCells) return;
    }
    find_models();
  }

 private:
  // What a cell says of itself, and where.
  struct Source {
    std::string like;
    int line = 0;
  };

  void fault(int line, const std::string& what) { faults_.push_back({line, what}); }

  bool is_map(const YamlNode& node, const char* what, const std::vector<std::string>& keys) {
    if (node.kind != Kind::map) {
      fault(node.line, fmt::format("{}: wanted keys and values ({}).", what, fmt::join(keys, ", ")));
      return false;
    }
    for (const YamlNode& item : node.items)
      if (!is_one_of(item.key, keys)) {
        const std::string near = nearest(item.key, keys);
        fault(item.key_line, fmt::format("{}: unknown key \"{}\".{}", what, item.key,
                                         near.empty() ? "" : fmt::format(" Did you mean \"{}\"?", near)));
      }
    return true;
  }

  std::optional<std::string> text_of(const YamlNode& map, const char* key) {
    const YamlNode* node = map.find(key);
    if (!node) return std::nullopt;
    if (node->kind == Kind::text) return node->text;
    fault(node->key_line, fmt::format("\"{}\": wanted a text.", key));
    return std::nullopt;
  }

  std::string name_of(const YamlNode& map, const char* what, bool dots) {
    const std::string name = text_of(map, "name").value_or("");
    if (!good_name(name, dots))
      fault(map.line, fmt::format("{}: wanted a \"name\" of letters, digits, '_', '-'{}, found \"{}\".", what,
                                  dots ? " and '.'" : "", name));
    return name;
  }

  std::vector<std::string> texts_of(const YamlNode& list, const std::string& key) {
    std::vector<std::string> texts;
    if (list.kind != Kind::list) fault(list.key_line, fmt::format("\"{}\": wanted a list.", key));
    for (const YamlNode& item : list.items) {
      if (list.kind != Kind::list) break;
      if (item.kind == Kind::text)
        texts.push_back(item.text);
      else
        fault(item.line, fmt::format("\"{}\": wanted a list of texts.", key));
    }
    return texts;
  }

  // Adds what stands under "train" and "validate".
  void add_options(const YamlNode& map, AblationCell& cell) {
    if (const YamlNode* node = map.find("train"))
      for (std::string& text : texts_of(*node, "train")) {
        if (const auto wrong = train_fault(text)) fault(node->key_line, *wrong);
        cell.train.push_back(std::move(text));
      }
    if (const YamlNode* node = map.find("validate"))
      for (std::string& text : texts_of(*node, "validate")) {
        if (const auto wrong = validate_fault(text)) fault(node->key_line, *wrong);
        cell.validate.push_back(std::move(text));
      }
    if (const auto trunk = text_of(map, "trunk")) cell.trunk = *trunk;
  }

  void read_table(const YamlNode& node) {
    AblationTable& table = config_.tables.emplace_back();
    const std::size_t faults_before = faults_.size();
    table.name = name_of(node, "a table", false);
    table.title = text_of(node, "title").value_or(table.name);
    table.question = text_of(node, "question").value_or("");
    const AblationOptions& o = config_.options;
    AblationCell common{table.name, "", o.train, o.validate, o.trunk};
    add_options(node, common);
    const YamlNode* cells = node.find("cells");
    if (cells && cells->kind != Kind::list) fault(cells->key_line, "\"cells\": wanted a list.");
    if (cells && cells->kind == Kind::list)
      for (const YamlNode& item : cells->items) read_cell(item, common);
    if (const YamlNode* matrix = node.find("matrix")) read_matrix(*matrix, common);
    if (table.cells.empty() && faults_.size() == faults_before)
      fault(node.line, fmt::format("table \"{}\" has no cells.", table.name));
    if (const auto baseline = text_of(node, "baseline")) {
      table.baseline = find_cell(table, *baseline);
      if (!table.baseline)
        fault(node.find("baseline")->key_line, fmt::format("\"baseline\": table \"{}\" has no cell \"{}\".{}",
                                                           table.name, *baseline, hint(table, *baseline)));
    }
  }

  void read_cell(const YamlNode& node, const AblationCell& common) {
    if (!is_map(node, "a cell", kCellKeys)) return;
    AblationCell cell = common;
    cell.name = name_of(node, "a cell", true);
    Source source{text_of(node, "like").value_or(""), node.line};
    const YamlNode* train = node.find("train");
    if (!source.like.empty() && ((train && !train->items.empty()) || node.find("trunk")))
      fault(node.line, fmt::format("cell \"{}\": \"like\" takes another cell's model; \"train\" and \"trunk\" would "
                                   "change nothing.",
                                   cell.name));
    add_options(node, cell);
    add_cell(std::move(cell), source);
  }

  // The cross product, the last key running fastest. A key that begins with "--" is a flag of `validate`.
  void read_matrix(const YamlNode& node, const AblationCell& common) {
    if (node.kind != Kind::map || node.items.empty()) {
      fault(node.key_line, "\"matrix\": wanted keys, each with a list of values.");
      return;
    }
    std::vector<std::pair<std::string, std::vector<std::string>>> axes;
    std::size_t count = 1;
    for (const YamlNode& axis : node.items) {
      axes.emplace_back(axis.key, texts_of(axis, axis.key));
      if (axes.back().second.empty()) {
        fault(axis.key_line, fmt::format("\"matrix\": \"{}\" has no values.", axis.key));
        return;
      }
      const bool flag = axis.key.starts_with("--");
      const auto wrong = flag ? validate_fault(axis.key) : train_fault(axis.key + "=");
      if (wrong) fault(axis.key_line, *wrong);
      count *= axes.back().second.size();
      if (count > kMostCells) {
        fault(node.key_line, fmt::format("\"matrix\": more than {} cells.", kMostCells));
        return;
      }
    }
    for (std::size_t k = 0; k < count; ++k) {
      AblationCell cell = common;
      std::size_t rest = k, block = count;
      for (const auto& [key, values] : axes) {
        block /= values.size();
        const std::string& value = values[rest / block];
        rest %= block;
        cell.name += (cell.name.empty() ? "" : "-") + value;
        if (key.starts_with("--"))
          cell.validate.insert(cell.validate.end(), {key, value});
        else
          cell.train.push_back(key + "=" + value);
      }
      if (!good_name(cell.name, true)) {
        fault(node.key_line, fmt::format("\"matrix\": \"{}\" is no name for a cell. Give the cell its own name under "
                                         "\"cells\".",
                                         cell.name));
        return;
      }
      add_cell(std::move(cell), {"", node.key_line});
    }
  }

  void add_cell(AblationCell cell, const Source& source) {
    AblationTable& table = config_.tables.back();
    if (find_cell(table, cell.name))
      fault(source.line, fmt::format("table \"{}\" has two cells named \"{}\".", table.name, cell.name));
    if (config_.cells.size() == kMostCells) fault(source.line, fmt::format("more than {} cells.", kMostCells));
    if (config_.cells.size() > kMostCells) return;
    table.cells.push_back(config_.cells.size());
    config_.cells.push_back(std::move(cell));
    sources_.push_back(source);
  }

  std::optional<std::size_t> find_cell(const AblationTable& table, const std::string& name) const {
    for (const std::size_t i : table.cells)
      if (config_.cells[i].name == name) return i;
    return std::nullopt;
  }

  std::string hint(const AblationTable& table, const std::string& name) const {
    std::vector<std::string> names;
    for (const std::size_t i : table.cells) names.push_back(config_.cells[i].name);
    const std::string near = nearest(name, names);
    return near.empty() ? "" : fmt::format(" Did you mean \"{}\"?", near);
  }

  // "cell" of the same table, or "table/cell".
  std::optional<std::size_t> find_like(std::size_t from, const std::string& like) const {
    const std::size_t slash = like.find('/');
    const std::string table = slash == like.npos ? config_.cells[from].table : like.substr(0, slash);
    for (const AblationTable& candidate : config_.tables)
      if (candidate.name == table) return find_cell(candidate, like.substr(slash == like.npos ? 0 : slash + 1));
    return std::nullopt;
  }

  // Follows "like"; cells that would be trained alike share the model of the first of them.
  void find_models() {
    std::map<std::string, std::size_t> owners;
    std::vector<std::optional<std::size_t>> next(config_.cells.size());
    for (std::size_t i = 0; i < next.size(); ++i) {
      AblationCell& cell = config_.cells[i];
      cell.model = i;
      if (sources_[i].like.empty()) {
        std::map<std::string, std::string> options;
        for (const std::string& text : cell.train)
          if (!train_fault(text)) options.insert_or_assign(train_option(text).first, train_option(text).second);
        cell.model =
            owners.try_emplace(OrderedJson{{"options", options}, {"trunk", cell.trunk}}.dump(), i).first->second;
      } else if (!(next[i] = find_like(i, sources_[i].like))) {
        fault(sources_[i].line,
              fmt::format("cell \"{}\": \"like\" names no cell: \"{}\".", cell.name, sources_[i].like));
      }
    }
    for (std::size_t i = 0; i < next.size(); ++i) {
      std::size_t at = i, steps = 0;
      while (next[at] && steps++ <= next.size()) at = *next[at];
      if (next[at])
        fault(sources_[i].line, fmt::format("cell \"{}\": \"like\" runs in a circle.", config_.cells[i].name));
      if (at != i) config_.cells[i].model = config_.cells[at].model;
    }
  }

  AblationConfig& config_;
  Faults& faults_;
  std::vector<Source> sources_;  // of config_.cells
};

}  // namespace

std::optional<std::string> train_fault(const std::string& text) {
  if (has_control(text)) return "\"train\": control characters are not accepted.";
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || text[0] == '-')
    return fmt::format("\"train\": wanted key=value, found \"{}\".", text);
  if (const std::string key = train_option(text).first; is_one_of(key, kOwnTrain))
    return fmt::format("\"train\": \"{}\" is set by the ablation itself.", key);
  return std::nullopt;
}

std::optional<std::string> validate_fault(const std::string& text) {
  if (has_control(text)) return "\"validate\": control characters are not accepted.";
  if (!text.starts_with("-")) return std::nullopt;  // the value of the flag before it
  const std::string flag = text.substr(0, text.find('='));
  if (flag == "-h" || (flag.starts_with("--") && is_one_of(underscored(flag.substr(2)), kOwnValidate)))
    return fmt::format("\"validate\": \"{}\" is set by the ablation itself.", flag);
  return std::nullopt;
}

void read_ablation_tables(const YamlNode& list, AblationConfig& config, std::vector<YamlFault>& faults) {
  TablesReader(config, faults).read(list);
}

}  // namespace cp
