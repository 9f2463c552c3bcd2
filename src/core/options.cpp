#include "core/options.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace cp {
namespace {

std::string trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return std::string(text);
}

// The whole text as a number of type T, in the C locale.
template <class T>
T number(const std::string& text, const char* wanted) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) throw std::invalid_argument(fmt::format("{} in range", wanted));
  if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('+'))
    throw std::invalid_argument(wanted);
  return value;
}

// "8,16", "[8, 16]", or a JSON array of strings (the form in which the YAML reader hands over a sequence, so that an
// item may hold a comma).
std::vector<std::string> list_items(const std::string& text) {
  std::string body = trim(text);
  if (body.starts_with("[\"")) {
    const Json array = Json::parse(body, nullptr, /*allow_exceptions=*/false);
    const bool strings =
        array.is_array() && std::all_of(array.begin(), array.end(), [](const Json& item) { return item.is_string(); });
    if (!strings) throw std::invalid_argument("a list such as [a, b]");
    return array.get<std::vector<std::string>>();
  }
  if (body.starts_with('[') != body.ends_with(']')) throw std::invalid_argument("a list such as [a, b]");
  if (body.starts_with('[')) body = trim(std::string_view(body).substr(1, body.size() - 2));
  std::vector<std::string> items;
  if (body.empty()) return items;
  std::size_t start = 0;
  for (;;) {
    const std::size_t comma = body.find(',', start);
    items.push_back(trim(std::string_view(body).substr(start, comma - start)));
    if (items.back().empty()) throw std::invalid_argument("a list such as a,b without empty items");
    if (comma == std::string::npos) return items;
    start = comma + 1;
  }
}

// '-' and '_' mean the same in names.
std::string canonical(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment distance.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before.swap(row);
    row.swap(next);
  }
  return row.back();
}

}  // namespace

namespace detail {

void set_from_text(const std::string& text, bool& value) {
  std::string word = text;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  if (word == "true" || word == "yes" || word == "on" || word == "1")
    value = true;
  else if (word == "false" || word == "no" || word == "off" || word == "0")
    value = false;
  else
    throw std::invalid_argument("true or false");
}

void set_from_text(const std::string& text, int& value) { value = number<int>(text, "a whole number"); }

void set_from_text(const std::string& text, std::uint64_t& value) {
  value = number<std::uint64_t>(text, "a whole number of 0 or more");
}

void set_from_text(const std::string& text, double& value) {
  const double parsed = number<double>(text, "a number");
  if (!std::isfinite(parsed)) throw std::invalid_argument("a finite number");
  value = parsed;
}

void set_from_text(const std::string& text, std::string& value) { value = text; }

void set_from_text(const std::string& text, std::vector<int>& value) {
  std::vector<int> items;
  for (const std::string& item : list_items(text)) items.push_back(number<int>(item, "a list of whole numbers"));
  value = std::move(items);
}

void set_from_text(const std::string& text, std::vector<std::string>& value) { value = list_items(text); }

const char* type_name(const bool&) { return "true|false"; }
const char* type_name(const int&) { return "whole number"; }
const char* type_name(const std::uint64_t&) { return "whole number"; }
const char* type_name(const double&) { return "number"; }
const char* type_name(const std::string&) { return "text"; }
const char* type_name(const std::vector<int>&) { return "list"; }
const char* type_name(const std::vector<std::string>&) { return "list"; }

}  // namespace detail

const Option* OptionSet::find(const std::string& name) const {
  const std::string wanted = canonical(name);
  for (const Option& option : options_)
    if (canonical(option.name) == wanted) return &option;
  return nullptr;
}

// What to do about a name that is no option: the nearest name, or a look at the list.
std::string OptionSet::unknown(const std::string& name) const {
  const std::string wanted = canonical(name);
  std::vector<std::string> names;
  for (const Option& option : options_) {
    if (option.name.starts_with(wanted + "."))
      return fmt::format("It is a group; set \"{}\" or a neighbour.", option.name);
    names.push_back(option.name);
  }
  const std::string near = nearest(wanted, names);
  return near.empty() ? "--help lists the options." : fmt::format("Did you mean \"{}\"?", near);
}

void OptionSet::set(const std::string& name, const std::string& text, const std::string& where) {
  const Option* option = find(name);
  if (!option) throw UserError(ErrorKind::usage, where, fmt::format("unknown option \"{}\".", name), unknown(name));
  try {
    option->set(text);
  } catch (const std::invalid_argument& wanted) {
    throw UserError(ErrorKind::usage, where,
                    fmt::format("\"{}\": wanted {}, found \"{}\".", option->name, wanted.what(), text),
                    fmt::format("It is the {}.", option->help));
  }
}

void OptionSet::set_assignment(const std::string& assignment, const std::string& where) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UserError(
        ErrorKind::usage, where, fmt::format("wanted key=value, found \"{}\".", assignment),
        options_.empty() ? "" : fmt::format("For example \"{}={}\".", options_[0].name, options_[0].get().dump()));
  set(trim(assignment.substr(0, equals)), trim(std::string_view(assignment).substr(equals + 1)), where);
}

OrderedJson OptionSet::to_json() const {
  OrderedJson all = OrderedJson::object();
  for (const Option& option : options_) {
    OrderedJson* group = &all;
    std::size_t start = 0;
    for (std::size_t dot; (dot = option.name.find('.', start)) != std::string::npos; start = dot + 1)
      group = &(*group)[option.name.substr(start, dot - start)];
    (*group)[option.name.substr(start)] = option.get();
  }
  return all;
}

void want_choice(const std::string& where, const std::string& value, const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  const std::string near = nearest(value, known);
  throw UserError(ErrorKind::usage, where, fmt::format("wanted {}, found \"{}\".", fmt::join(known, ", "), value),
                  near.empty() ? "Choose one of them." : fmt::format("Did you mean \"{}\"?", near));
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = word.size() / 3 + 2;  // a word of 6 letters may hold 3 slips, one of 2 letters 1
  for (const std::string& candidate : candidates) {
    // "epochs" stands for "caption.epochs": the last part counts too, but a full match of equal distance wins.
    const std::string tail = candidate.substr(candidate.rfind('.') + 1);
    const std::size_t distance =
        std::min(edit_distance(word, candidate), edit_distance(word, tail) + (tail != candidate));
    if (distance < best_distance && distance < word.size()) best = candidate, best_distance = distance;
  }
  return best;
}

}  // namespace cp
