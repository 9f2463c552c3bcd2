// Reads through yaml-cpp's event interface, so that hostile files are refused before a large tree is built, and every
// fault has its line.

#include "core/yaml.h"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxFaults = 20;

int line_of(const YAML::Mark& mark) { return mark.line + 1; }

// A YamlFault that is thrown ends the reading.
class TreeReader : public YAML::EventHandler {
 public:
  explicit TreeReader(std::vector<YamlFault>& faults) : faults_(faults) {}

  // What was read, open lists and maps too.
  YamlNode take() {
    while (!open_.empty()) close();
    return std::move(root_);
  }

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
    if (wants_key()) throw YamlFault{line_of(mark), "a key is missing."};
    add({.kind = YamlNode::Kind::none, .line = line_of(mark)});
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    if (!wants_key()) {
      add({.kind = YamlNode::Kind::text, .line = line_of(mark), .text = value});
      return;
    }
    Level& level = open_.back();
    level.key = value;
    level.key_line = line_of(mark);
    level.has_key = true;
    level.repeated = !level.keys.insert(value).second;
    if (level.repeated) faults_.push_back({line_of(mark), fmt::format("\"{}\" stands twice.", whole_name())});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    if (wants_key()) throw YamlFault{line_of(mark), "a list may stand only as the value of a key."};
    open(mark, YamlNode::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    if (wants_key()) throw YamlFault{line_of(mark), "a group may stand only as the value of a key."};
    open(mark, YamlNode::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  // A list or map that is not at its end. `key` is that of the value that comes next, or is open above this level.
  struct Level {
    YamlNode node;
    std::string key = {};
    int key_line = 0;
    bool has_key = false, repeated = false;
    std::set<std::string> keys = {};
  };

  bool wants_key() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::map && !open_.back().has_key;
  }
  std::string whole_name() const {
    std::string name;
    for (const Level& level : open_)
      if (level.has_key) name += (name.empty() ? "" : ".") + level.key;
    return name;
  }
  void open(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (open_.size() >= kMaxDepth)
      throw YamlFault{line_of(mark), fmt::format("nested deeper than {} levels.", kMaxDepth)};
    open_.push_back({.node = {.kind = kind, .line = line_of(mark)}});
  }
  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }
  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = open_.back();
    if (level.node.kind == YamlNode::Kind::map) {
      node.key = level.key;
      node.key_line = level.key_line;
      level.has_key = false;
      if (level.repeated) return;  // the first one counts; the fault is noted
    }
    level.node.items.push_back(std::move(node));
  }
  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != 0) throw YamlFault{line_of(mark), "anchors (&name) are not accepted; write the value out."};
    if (!tag.empty() && tag != "?" && tag != "!")
      throw YamlFault{line_of(mark), fmt::format("tags ({}) are not accepted.", tag)};
  }

  std::vector<YamlFault>& faults_;
  std::vector<Level> open_;
  YamlNode root_;
};

}  // namespace

const YamlNode* YamlNode::find(const std::string& name) const {
  if (kind != Kind::map) return nullptr;
  const auto found = std::find_if(items.begin(), items.end(), [&](const YamlNode& item) { return item.key == name; });
  return found == items.end() ? nullptr : &*found;
}

YamlNode parse_yaml(const std::string& text, std::vector<YamlFault>& faults) {
  TreeReader reader(faults);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    parser.HandleNextDocument(reader);
    std::vector<YamlFault> ignored;
    TreeReader second(ignored);
    if (parser.HandleNextDocument(second)) throw YamlFault{1, "several documents (---) in one file; one is read."};
  } catch (const YamlFault& fault) {
    faults.push_back(fault);
  } catch (const YAML::Exception& error) {
    faults.push_back({error.mark.line + 1, fmt::format("not valid YAML: {}.", error.msg)});
  }
  return reader.take();
}

void throw_yaml_faults(const std::string& where, std::vector<YamlFault> faults) {
  CP_CHECK(!faults.empty(), "no fault to throw");
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

}  // namespace cp
