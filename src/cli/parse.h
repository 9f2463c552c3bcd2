#pragma once
// In:  the arguments after the command's name, and the variables that they set.
// Out: the variables, set in the order config file, flags, key=value; or a UserError(usage) with the nearest flag's
// name. Not here: what a command does. CLI11 is included by parse.cpp only (it takes ten seconds to compile).

#include <string>
#include <vector>

#include "core/options.h"

namespace cp {

// One command's arguments:
//   CommandLine line("infer", "Answers on one pair of images.");
//   line.option("image_before", before, "image before", Need::required);
//   line.flag("json", json, "print JSON");
//   if (!line.parse(args)) return 0;  // --help was printed
// Names may be written with '_' or '-' in code and by the user; help shows '-'. Variables must outlive parse().
class CommandLine {
 public:
  enum class Need { optional, required };

  // `command` as typed after `changepilot`: "infer", "dataset check".
  CommandLine(std::string command, std::string summary);

  // Each field of an options struct becomes a flag: --num-epochs 3, --head.lr=1e-4, --resume, --no-resume.
  template <class T>
  void options(T& fields) {
    fields.fields(settings_);
  }
  // Adds --config FILE (YAML for the fields of options()) and key=value arguments; `path` gets FILE.
  void config(std::string& path);

  // --name VALUE for anything that core/options.h can set from text: bool (true|false), int, uint64, double, string,
  // lists.
  template <class T>
  void option(const std::string& name, T& value, const std::string& help, Need need = Need::optional) {
    flags_(name, value, help);
    if (need == Need::required) required_.push_back(name);
  }
  // --name, without a value.
  void flag(const std::string& name, bool& value, const std::string& help);
  // An argument without a name, in the order of the calls.
  void positional(const std::string& name, std::string& value, const std::string& help, Need need = Need::required);
  // Every further argument without a name.
  void rest(const std::string& name, std::vector<std::string>& values, const std::string& help);
  // Text under the help: examples.
  void epilogue(const std::string& text) { epilogue_ = text; }

  // False when --help was printed to stdout.
  bool parse(const std::vector<std::string>& args);
  std::string help() const;

 private:
  struct Positional {
    std::string name, help;
    std::string* value;
    Need need;
  };
  struct Parser;

  UserError usage_error(const std::string& what, const std::string& hint = "") const;
  UserError unknown_argument(const std::string& argument) const;

  std::string command_, summary_, epilogue_;
  OptionSet settings_, flags_;
  std::vector<std::string> required_;
  std::vector<Positional> positionals_;
  std::string rest_name_, rest_help_;
  std::vector<std::string>* rest_ = nullptr;
  std::string* config_ = nullptr;
};

}  // namespace cp
