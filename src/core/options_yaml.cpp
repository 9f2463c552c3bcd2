// The YAML side of core/options.h.

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/file.h"
#include "core/options.h"
#include "core/yaml.h"

namespace cp {
namespace {

struct Setting {
  std::string name, text;
  int line;
  bool list;
};

// Items as a JSON array, so that a text may hold a comma.
std::string list_text(const YamlNode& list, const std::string& name, std::vector<YamlFault>& faults) {
  OrderedJson items = OrderedJson::array();
  for (const YamlNode& item : list.items) {
    if (item.kind == YamlNode::Kind::text) items.push_back(item.text);
    if (item.kind == YamlNode::Kind::none)
      faults.push_back({item.line, fmt::format("\"{}\" has an item without a value.", name)});
    if (item.kind == YamlNode::Kind::list)
      faults.push_back({item.line, "a list may stand only as the value of a key."});
    if (item.kind == YamlNode::Kind::map)
      faults.push_back({item.line, "a group may stand only as the value of a key."});
  }
  return items.dump();
}

// The tree as settings: ("head.lr", "1e-4", line 7).
void flatten(const YamlNode& map, const std::string& prefix, std::vector<Setting>& settings,
             std::vector<YamlFault>& faults) {
  for (const YamlNode& value : map.items) {
    const std::string name = prefix + value.key;
    switch (value.kind) {
      case YamlNode::Kind::none:
        faults.push_back({value.key_line, fmt::format("\"{}\" has no value.", name)});
        break;
      case YamlNode::Kind::text:
        settings.push_back({name, value.text, value.line, false});
        break;
      case YamlNode::Kind::list:
        settings.push_back({name, list_text(value, name, faults), value.key_line, true});
        break;
      case YamlNode::Kind::map:
        flatten(value, name + ".", settings, faults);
        break;
    }
  }
}

bool plain_scalar(const std::string& text) {
  const bool safe = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '/' || c == '-';
  });
  if (text.empty() || !safe || !std::isalpha(static_cast<unsigned char>(text[0]))) return false;
  return text != "null" && text != "Null" && text != "NULL";
}

std::string yaml_value(const OrderedJson& value) {
  if (value.is_string() && plain_scalar(value.get<std::string>())) return value.get<std::string>();
  if (!value.is_array()) return value.dump();  // a JSON string is a YAML double-quoted scalar
  std::string text = "[";
  for (const OrderedJson& item : value) text += (text.size() > 1 ? ", " : "") + yaml_value(item);
  return text + "]";
}

}  // namespace

void OptionSet::read_yaml(const std::filesystem::path& path) {
  read_yaml_text(read_file(path, kMaxConfigBytes, ErrorKind::usage), path.string());
}

void OptionSet::read_yaml_text(const std::string& text, const std::string& where) {
  if (text.size() > kMaxConfigBytes)
    throw UserError(ErrorKind::usage, where,
                    fmt::format("{} bytes, at most {} are read.", text.size(), kMaxConfigBytes),
                    "Check that this is the file you meant.");
  std::vector<YamlFault> faults;
  read_yaml_tree(parse_yaml(text, faults), where, faults);
  if (!faults.empty()) throw_yaml_faults(where, faults);
}

void OptionSet::read_yaml_tree(const YamlNode& root, const std::string& where, std::vector<YamlFault>& faults) {
  if (root.kind == YamlNode::Kind::text)
    faults.push_back({root.line, fmt::format("wanted \"key: value\", found \"{}\".", root.text)});
  if (root.kind == YamlNode::Kind::list) faults.push_back({root.line, "a list may stand only as the value of a key."});
  std::vector<Setting> settings;
  if (root.kind == YamlNode::Kind::map) flatten(root, "", settings, faults);
  std::set<const Option*> seen;  // "num-epochs" and "num_epochs", "head.lr" and "head: {lr: }" are the same option
  for (const Setting& setting : settings) {
    try {
      const Option* option = find(setting.name);
      if (option && !seen.insert(option).second)
        throw UserError(ErrorKind::usage, where, fmt::format("\"{}\" stands twice.", setting.name), "");
      if (option && setting.list && option->type != "list")
        throw UserError(ErrorKind::usage, where,
                        fmt::format("\"{}\": wanted a {}, found a list.", setting.name, option->type), "");
      set(setting.name, setting.text, where);
    } catch (const UserError& error) {
      const std::string message = error.what();
      faults.push_back({setting.line, message.substr(where.size() + 2)});  // without "where: ", which is said once
    }
  }
}

std::string yaml_value_of(const std::filesystem::path& path, const std::string& key) {
  std::vector<YamlFault> ignored;
  const YamlNode root = parse_yaml(read_file(path, kMaxConfigBytes, ErrorKind::usage), ignored);
  const YamlNode* value = root.find(key);
  return value && value->kind == YamlNode::Kind::text ? value->text : "";
}

std::string OptionSet::to_yaml() const {
  std::string text;
  std::vector<std::string> open;  // names of the groups that the last line stands in
  for (const Option& option : options_) {
    std::vector<std::string> parts;
    for (std::size_t start = 0; start <= option.name.size();) {
      const std::size_t dot = std::min(option.name.find('.', start), option.name.size());
      parts.push_back(option.name.substr(start, dot - start));
      start = dot + 1;
    }
    const std::string leaf = parts.back();
    parts.pop_back();
    std::size_t shared = 0;
    while (shared < parts.size() && shared < open.size() && parts[shared] == open[shared]) ++shared;
    for (std::size_t i = shared; i < parts.size(); ++i) text += std::string(2 * i, ' ') + parts[i] + ":\n";
    open = parts;
    const std::string line = std::string(2 * parts.size(), ' ') + leaf + ": " + yaml_value(option.get());
    text += fmt::format("{:<32} # {}\n", line, option.help);
  }
  return text;
}

}  // namespace cp
