// The YAML side of core/options.h: reads through yaml-cpp's event interface, so that hostile files are refused before a
// tree is built, and every fault has its line.

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "core/file.h"
#include "core/options.h"

namespace cp {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;
constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxFaults = 20;

struct Setting {
  std::string name, text;
  int line;
  bool list;
};

// Raised where reading cannot go on.
struct YamlFault {
  int line;
  std::string what;
};

// Turns events into settings ("head.lr", "1e-4", line 7). A sequence becomes one setting with the text of a JSON array.
class SettingsReader : public YAML::EventHandler {
 public:
  std::vector<Setting> settings;
  std::vector<YamlFault> faults;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YamlFault{line_of(mark), "aliases (*name) are not accepted; write the value out."};
  }
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    throw YamlFault{line_of(mark), fmt::format("anchors (&{}) are not accepted; write the value out.", name)};
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    if (levels_.empty()) return;  // an empty file sets nothing
    faults.push_back({levels_.back().key_line, fmt::format("\"{}\" has no value.", levels_.back().key)});
    value_done();
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    if (levels_.empty()) throw YamlFault{line_of(mark), fmt::format("wanted \"key: value\", found \"{}\".", value)};
    Level& level = levels_.back();
    if (level.sequence) {
      items_.push_back(value);
    } else if (!level.key_read) {
      level.key = level.prefix + value;
      level.key_line = line_of(mark);
      level.key_read = true;
      level.repeated = !level.keys.insert(value).second;
      if (level.repeated) faults.push_back({line_of(mark), fmt::format("\"{}\" stands twice.", level.key)});
    } else {
      if (!level.repeated) settings.push_back({level.key, value, line_of(mark), false});
      value_done();
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    if (levels_.empty() || levels_.back().sequence || !levels_.back().key_read)
      throw YamlFault{line_of(mark), "a list may stand only as the value of a key."};
    items_ = OrderedJson::array();
    push(mark, {.sequence = true, .key_line = line_of(mark)});
  }
  void OnSequenceEnd() override {
    levels_.pop_back();
    const Level& level = levels_.back();
    if (!level.repeated) settings.push_back({level.key, items_.dump(), level.key_line, true});
    value_done();
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    if (levels_.empty()) {
      push(mark, {});
      return;
    }
    const Level& level = levels_.back();
    if (level.sequence || !level.key_read)
      throw YamlFault{line_of(mark), "a group may stand only as the value of a key."};
    push(mark, {.prefix = level.key + ".", .repeated_outside = level.repeated});
  }
  void OnMapEnd() override {
    levels_.pop_back();
    if (!levels_.empty()) value_done();
  }

 private:
  struct Level {
    bool sequence = false;
    std::string prefix = {};
    bool repeated_outside = false;
    bool key_read = false;
    bool repeated = false;
    std::string key = {};
    int key_line = 0;
    std::set<std::string> keys = {};
  };

  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }

  void push(const YAML::Mark& mark, Level level) {
    if (levels_.size() >= kMaxDepth)
      throw YamlFault{line_of(mark), fmt::format("nested deeper than {} levels.", kMaxDepth)};
    levels_.push_back(std::move(level));
  }
  void value_done() {
    levels_.back().key_read = false;
    levels_.back().repeated = levels_.back().repeated_outside;
  }
  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != 0) throw YamlFault{line_of(mark), "anchors (&name) are not accepted; write the value out."};
    if (!tag.empty() && tag != "?" && tag != "!")
      throw YamlFault{line_of(mark), fmt::format("tags ({}) are not accepted.", tag)};
  }

  std::vector<Level> levels_;
  OrderedJson items_;
};

// One fault: "file:7: ...". Several: "file: 3 faults." and a line for each.
[[noreturn]] void throw_faults(const std::string& where, std::vector<YamlFault> faults) {
  std::stable_sort(faults.begin(), faults.end(),
                   [](const YamlFault& a, const YamlFault& b) { return a.line < b.line; });
  if (faults.size() == 1)
    throw UserError(ErrorKind::usage, fmt::format("{}:{}", where, faults[0].line), faults[0].what, "");
  std::string text = fmt::format("{} faults.", faults.size());
  for (std::size_t i = 0; i < std::min(faults.size(), kMaxFaults); ++i)
    text += fmt::format("\n  line {}: {}", faults[i].line, faults[i].what);
  if (faults.size() > kMaxFaults) text += fmt::format("\n  and {} more", faults.size() - kMaxFaults);
  throw UserError(ErrorKind::usage, where, text, "");
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
  SettingsReader reader;
  std::vector<YamlFault>& faults = reader.faults;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(reader);
    SettingsReader second;
    if (parser.HandleNextDocument(second)) throw YamlFault{1, "several documents (---) in one file; one is read."};
  } catch (const YamlFault& fault) {
    faults.push_back(fault);
  } catch (const YAML::Exception& error) {
    faults.push_back({error.mark.line + 1, fmt::format("not valid YAML: {}.", error.msg)});
  }
  std::set<const Option*> seen;  // "num-epochs" and "num_epochs", "head.lr" and "head: {lr: }" are the same option
  for (const Setting& setting : reader.settings) {
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
  if (!faults.empty()) throw_faults(where, faults);
}

std::string yaml_value_of(const std::filesystem::path& path, const std::string& key) {
  SettingsReader reader;
  try {
    std::istringstream stream(read_file(path, kMaxConfigBytes, ErrorKind::usage));
    YAML::Parser parser(stream);
    parser.HandleNextDocument(reader);
  } catch (const YamlFault&) {
  } catch (const YAML::Exception&) {
  }
  for (const Setting& setting : reader.settings)
    if (setting.name == key && !setting.list) return setting.text;
  return "";
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
