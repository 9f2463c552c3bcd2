#pragma once
// In:  an options struct that lists each of its fields once: `template <class V> void fields(V& v) { v("lr", lr, "peak
//      learning rate"); }`. Nested structs are groups: v("head", head, "...") gives "head.lr".
// Out: an OptionSet: name, help, default, setter from text. Flags, YAML, JSON and --help are all made from it.
// Not here: argv (cli/parse.h).

#include <concepts>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/yaml.h"

namespace cp {

struct Option {
  std::string name;  // "epochs" or "caption.epochs"; in a flag '_' and '-' mean the same
  std::string help;
  std::string type;                                  // "whole number", "number", "true|false", "text", "list"
  std::function<void(const std::string& text)> set;  // throws std::invalid_argument with what was wanted
  std::function<OrderedJson()> get;
};

namespace detail {
void set_from_text(const std::string& text, bool& value);
void set_from_text(const std::string& text, int& value);
void set_from_text(const std::string& text, std::uint64_t& value);
void set_from_text(const std::string& text, double& value);
void set_from_text(const std::string& text, std::string& value);
void set_from_text(const std::string& text, std::vector<int>& value);  // "8,16,32" or "[8, 16, 32]"
void set_from_text(const std::string& text, std::vector<std::string>& value);
const char* type_name(const bool&);
const char* type_name(const int&);
const char* type_name(const std::uint64_t&);
const char* type_name(const double&);
const char* type_name(const std::string&);
const char* type_name(const std::vector<int>&);
const char* type_name(const std::vector<std::string>&);
}  // namespace detail

class OptionSet {
 public:
  OptionSet() = default;
  // Refers to the fields of `options`, which must outlive the set.
  template <class T>
  explicit OptionSet(T& options) {
    options.fields(*this);
  }

  template <class T>
  void operator()(const std::string& name, T& value, const std::string& help) {
    if constexpr (requires { value.fields(*this); }) {
      const std::string outer = prefix_;
      prefix_ += name + ".";
      value.fields(*this);
      prefix_ = outer;
    } else {
      options_.push_back({prefix_ + name, help, detail::type_name(value),
                          [&value](const std::string& text) { detail::set_from_text(text, value); },
                          [&value] { return OrderedJson(value); }});
    }
  }

  const std::vector<Option>& options() const { return options_; }

  // `where` names the source ("configs/nano.yaml", "command line"). Unknown names and bad values throw
  // UserError(usage); an unknown name gets the nearest known one as a hint.
  void set(const std::string& name, const std::string& text, const std::string& where);
  // "caption.epochs=3"
  void set_assignment(const std::string& assignment, const std::string& where);
  // Nested maps; unknown keys, duplicate keys, anchors and aliases are refused. All faults of the file come in one
  // error.
  void read_yaml(const std::filesystem::path& path);
  void read_yaml_text(const std::string& text, const std::string& where);
  // The same of a tree that was read already; adds to the faults instead of throwing.
  void read_yaml_tree(const YamlNode& root, const std::string& where, std::vector<YamlFault>& faults);

  OrderedJson to_json() const;  // nested
  std::string to_yaml() const;  // nested, with each option's help as a comment

 private:
  const Option* find(const std::string& name) const;
  std::string unknown(const std::string& name) const;

  std::string prefix_;
  std::vector<Option> options_;
};

// Throws UserError(usage) with the nearest known value unless `value` is one of them. `where` names the option.
void want_choice(const std::string& where, const std::string& value, const std::vector<std::string>& known);

// The value of one top-level key of a YAML file, empty when it is absent or no plain value; faults of the file are left
// to read_yaml. For a choice that decides which options there are.
std::string yaml_value_of(const std::filesystem::path& path, const std::string& key);

// The candidate nearest to `word` by edit distance, empty when none is near. For "did you mean".
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace cp
