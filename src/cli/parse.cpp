#include "cli/parse.h"

#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace cp {
namespace {

constexpr const char* kCommandLine = "command line";
constexpr const char* kNoMoreFlags = "--";  // what follows is no flag, whatever it looks like

std::string dashed(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// "--image_before=A_1.png" -> "--image-before=A_1.png"; what is no flag stays.
std::string dashed_flag(const std::string& argument) {
  if (!argument.starts_with("--")) return argument;
  const std::size_t equals = std::min(argument.find('='), argument.size());
  return dashed(argument.substr(0, equals)) + argument.substr(equals);
}

// "head.lr" stands under "head" in the help.
std::string group_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "Options" : name.substr(0, dot);
}

// A default as a user would type it: 0.001, runs/nano, 8,16,32.
std::string value_text(const OrderedJson& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string text;
  for (const OrderedJson& item : value) text += (text.empty() ? "" : ",") + value_text(item);
  return text;
}

}  // namespace

// CLI11 only cuts the arguments into (flag, text); what a text means is core/options.h's business, so that flags, YAML
// and key=value agree to the letter.
struct CommandLine::Parser {
  CLI::App app;
  std::vector<std::pair<std::string, std::string>> settings, flags;  // (name, text) in the order given
  std::vector<std::string> positionals, rest;
  std::string config;

  explicit Parser(const CommandLine& line) : app(line.summary_, "changepilot " + line.command_) {
    app.allow_extras();  // so that we can say what was meant
    app.footer(line.epilogue_);
    positionals.resize(line.positionals_.size());
    for (std::size_t i = 0; i < positionals.size(); ++i) {
      const Positional& positional = line.positionals_[i];
      CLI::Option* added = app.add_option(positional.name, positionals[i], positional.help);
      added->type_name(positional.need == Need::required ? "(required)" : "");
    }
    if (line.rest_) app.add_option(line.rest_name_, rest, line.rest_help_)->type_name("");
    if (line.config_) {
      app.add_option("--config", config, "YAML file with values of the options below")->type_name("FILE");
      if (!line.rest_) app.add_option("key=value", rest, "values that win over flags and file")->type_name("");
    }
    for (const Option& option : line.flags_.options()) add(option, flags, line, /*negatable=*/false);
    for (const Option& option : line.settings_.options()) add(option, settings, line, /*negatable=*/true);
  }

  // A true|false option is a switch; one that may be true already also gets its --no-NAME.
  void add(const Option& option, std::vector<std::pair<std::string, std::string>>& list, const CommandLine& line,
           bool negatable) {
    const std::string name = dashed(option.name);
    if (option.type == detail::type_name(bool{})) {
      const auto set = [&list, &option](std::int64_t count) {
        list.emplace_back(option.name, count > 0 ? "true" : "false");
      };
      const std::size_t leaf = name.rfind('.') + 1;  // 0 when there is no dot
      const std::string negation = fmt::format(",!--{}no-{}", name.substr(0, leaf), name.substr(leaf));
      app.add_flag_function("--" + name + (negatable ? negation : ""), set, option.help)->group(group_of(option.name));
      return;
    }
    const auto set = [&list, &option](const std::string& text) { list.emplace_back(option.name, text); };
    CLI::Option* added = app.add_option_function<std::string>("--" + name, set, option.help);
    added->group(group_of(option.name));
    const auto required = std::find(line.required_.begin(), line.required_.end(), option.name);
    const std::string value = value_text(option.get());
    std::string type = option.type;
    if (required != line.required_.end())
      type += " (required)";
    else if (!value.empty())
      type += fmt::format(" [{}]", value);
    added->type_name(type);
  }
};

CommandLine::CommandLine(std::string command, std::string summary)
    : command_(std::move(command)), summary_(std::move(summary)) {}

void CommandLine::config(std::string& path) { config_ = &path; }

void CommandLine::flag(const std::string& name, bool& value, const std::string& help) { flags_(name, value, help); }

void CommandLine::positional(const std::string& name, std::string& value, const std::string& help, Need need) {
  positionals_.push_back({name, help, &value, need});
}

void CommandLine::rest(const std::string& name, std::vector<std::string>& values, const std::string& help) {
  rest_name_ = name;
  rest_help_ = help;
  rest_ = &values;
}

std::string CommandLine::help() const { return Parser(*this).app.help(); }

UserError CommandLine::usage_error(const std::string& what, const std::string& hint) const {
  return UserError(ErrorKind::usage, kCommandLine, what,
                   hint.empty() ? fmt::format("See changepilot {} --help.", command_) : hint);
}

UserError CommandLine::unknown_argument(const std::string& argument) const {
  if (!argument.starts_with("-")) return usage_error(fmt::format("unexpected argument \"{}\".", argument));
  std::vector<std::string> names{"help"};
  if (config_) names.push_back("config");
  for (const OptionSet* set : {&flags_, &settings_})
    for (const Option& option : set->options()) names.push_back(dashed(option.name));
  const std::string flag = argument.substr(0, argument.find('='));
  const std::string near = nearest(flag.substr(std::min(flag.find_first_not_of('-'), flag.size())), names);
  return usage_error(fmt::format("unknown option \"{}\".", flag),
                     near.empty() ? "" : fmt::format("Did you mean --{}?", near));
}

bool CommandLine::parse(const std::vector<std::string>& args) {
  Parser parser(*this);
  try {
    std::vector<std::string> given = args;
    std::for_each(given.begin(), std::find(given.begin(), given.end(), kNoMoreFlags),
                  [](std::string& argument) { argument = dashed_flag(argument); });
    std::reverse(given.begin(), given.end());  // CLI11 takes the arguments from the back
    parser.app.parse(std::move(given));
  } catch (const CLI::CallForHelp&) {
    std::fputs(parser.app.help().c_str(), stdout);
    return false;
  } catch (const CLI::ParseError& error) {
    throw usage_error(fmt::format("{}.", error.what()));
  } catch (const std::invalid_argument&) {  // CLI11 2.1 lets std::stoll's exception out for --switch=text
    const auto given =
        std::find_if(args.begin(), args.end(), [&](const std::string& text) { return text.find('=') != text.npos; });
    throw usage_error(
        fmt::format("{}: a switch takes no value but true or false.", given != args.end() ? *given : "?"));
  }
  std::vector<std::string> extras = parser.app.remaining();
  const auto mark = std::find(extras.begin(), extras.end(), kNoMoreFlags);  // CLI11 2.1 counts the mark itself
  if (mark != extras.end()) extras.erase(mark);
  const auto flag =
      std::find_if(extras.begin(), extras.end(), [](const std::string& text) { return text.starts_with("-"); });
  if (!extras.empty()) throw unknown_argument(flag != extras.end() ? *flag : extras.front());

  for (const std::string& name : required_)
    if (std::none_of(parser.flags.begin(), parser.flags.end(), [&](const auto& given) { return given.first == name; }))
      throw usage_error(fmt::format("--{} is missing.", dashed(name)));
  for (std::size_t i = 0; i < positionals_.size(); ++i) {
    if (parser.app.count(positionals_[i].name) > 0)
      *positionals_[i].value = parser.positionals[i];
    else if (positionals_[i].need == Need::required)
      throw usage_error(fmt::format("{} is missing.", positionals_[i].name));
  }
  for (const auto& [name, text] : parser.flags) flags_.set(name, text, kCommandLine);
  if (config_ && !parser.config.empty()) settings_.read_yaml(*config_ = parser.config);
  for (const auto& [name, text] : parser.settings) settings_.set(name, text, kCommandLine);
  if (rest_)
    *rest_ = parser.rest;
  else
    for (const std::string& assignment : parser.rest) settings_.set_assignment(assignment, kCommandLine);
  return true;
}

}  // namespace cp
