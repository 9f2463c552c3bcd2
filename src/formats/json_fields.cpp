#include "formats/json_fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/options.h"  // nearest

namespace cp {

JsonFields::JsonFields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object())
    throw UserError(ErrorKind::model, where_, fmt::format("wanted an object, found {}.", object.type_name()), "");
}

void JsonFields::refuse(const std::string& key, const std::string& what, const std::string& hint) const {
  throw UserError(ErrorKind::model, where_, fmt::format("\"{}\": {}.", key, what), hint);
}

const Json& JsonFields::any(const std::string& key) {
  used_.insert(key);
  return json_member(object_, key, where_, ErrorKind::model);
}

JsonFields JsonFields::object(const std::string& key) { return JsonFields(any(key), where_ + ", " + key); }

std::string JsonFields::text(const std::string& key) {
  used_.insert(key);
  std::string value = json_string(object_, key, where_, ErrorKind::model);
  if (value.empty()) refuse(key, "wanted a text, found an empty one");
  return value;
}

std::string JsonFields::choice(const std::string& key, const std::vector<std::string>& all) {
  std::string value = text(key);
  for (const std::string& known : all)
    if (value == known) return value;
  refuse(key, fmt::format("wanted one of {}, found \"{}\"", fmt::join(all, ", "), value));
}

int JsonFields::whole(const std::string& key, int low, int high) {
  used_.insert(key);
  return static_cast<int>(json_integer(object_, key, where_, ErrorKind::model, low, high));
}

double JsonFields::number(const std::string& key, double low, double high) {
  used_.insert(key);
  const double value = json_number(object_, key, where_, ErrorKind::model);
  if (!(value >= low && value <= high)) refuse(key, fmt::format("wanted {} to {}, found {}", low, high, value));
  return value;
}

bool JsonFields::boolean(const std::string& key) {
  used_.insert(key);
  return json_bool(object_, key, where_, ErrorKind::model);
}

std::vector<int> JsonFields::whole_list(const std::string& key, int low, int high) {
  const Json& value = any(key);
  if (!value.is_array()) refuse(key, fmt::format("wanted a list of whole numbers, found {}", value.type_name()));
  std::vector<int> list;
  for (const Json& item : value) {
    const bool fits = item.is_number_integer() && item >= low && item <= high;
    if (!fits) refuse(key, fmt::format("wanted whole numbers from {} to {}, found {}", low, high, item.dump()));
    list.push_back(item.get<int>());
  }
  return list;
}

std::vector<std::string> JsonFields::text_list(const std::string& key) {
  const Json& value = any(key);
  if (!value.is_array()) refuse(key, fmt::format("wanted a list of texts, found {}", value.type_name()));
  std::vector<std::string> list;
  for (const Json& item : value) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty())
      refuse(key, fmt::format("wanted texts that are not empty, found {}", item.dump()));
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::map<std::string, std::string> JsonFields::text_map(const std::string& key) {
  const Json& value = any(key);
  if (!value.is_object()) refuse(key, fmt::format("wanted an object of texts, found {}", value.type_name()));
  std::map<std::string, std::string> map;
  for (const auto& [name, item] : value.items()) {
    if (name.empty() || !item.is_string() || item.get_ref<const std::string&>().empty())
      refuse(key, fmt::format("wanted names and texts that are not empty, found \"{}\": {}", name, item.dump()));
    map[name] = item.get<std::string>();
  }
  return map;
}

void JsonFields::finish() const {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object_.items())
    if (used_.count(key) == 0) unknown.push_back(key);
  if (unknown.empty()) return;
  const std::string near = nearest(unknown.front(), {used_.begin(), used_.end()});
  throw UserError(ErrorKind::model, where_, fmt::format("unknown field \"{}\".", fmt::join(unknown, "\", \"")),
                  near.empty() ? "" : fmt::format("Did you mean \"{}\"?", near));
}

}  // namespace cp
