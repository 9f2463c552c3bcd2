#pragma once
// In:  YAML text that may be hostile.
// Out: a tree of maps, lists and texts in which everything has its line, and what is wrong with the text.
// Not here: what the keys mean (core/options.h, report/ablation_config.h).

#include <string>
#include <vector>

namespace cp {

inline constexpr std::size_t kMaxConfigBytes = 1 << 20;

struct YamlFault {
  int line;
  std::string what;
};

struct YamlNode {
  enum class Kind { none, text, list, map };  // none: a key without a value, or an empty file

  Kind kind = Kind::none;
  int line = 0;  // where the value begins
  std::string text;
  std::vector<YamlNode> items;  // of a list; of a map, each with its key
  std::string key;
  int key_line = 0;

  const YamlNode* find(const std::string& name) const;  // nullptr when absent
};

// One document, nested at most 32 deep. Repeated keys, anchors, aliases, tags and keys that are no plain text are
// faults; what could be read before a fault that ends the reading is in the tree.
YamlNode parse_yaml(const std::string& text, std::vector<YamlFault>& faults);

// Throws UserError(usage). One fault: "where:7: ...". Several: "where: 3 faults." and a line for each.
[[noreturn]] void throw_yaml_faults(const std::string& where, std::vector<YamlFault> faults);

}  // namespace cp
