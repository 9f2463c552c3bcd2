#include "core/json.h"

#include <set>
#include <vector>

#include <fmt/format.h>

#include "core/file.h"

namespace cp {
namespace {

constexpr int kMaxDepth = 32;

// Decides while parsing, so that a hostile text never builds a deep or ambiguous tree.
class Guard {
 public:
  Guard(const std::string& where, ErrorKind kind) : where_(where), kind_(kind) {}

  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= kMaxDepth)  // the outermost value has depth 0
      throw UserError(kind_, where_, fmt::format("JSON nested deeper than {} levels.", kMaxDepth), "");
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(value.get<std::string>()).second)
      throw UserError(kind_, where_, fmt::format("key \"{}\" stands twice in one object.", value.get<std::string>()),
                      "Remove one of them.");
    return true;
  }

 private:
  const std::string& where_;
  ErrorKind kind_;
  std::vector<std::set<std::string>> keys_;
};

[[noreturn]] void throw_type(const std::string& where, ErrorKind kind, const std::string& key, const char* wanted,
                             const Json& found) {
  throw UserError(kind, where, fmt::format("\"{}\": wanted {}, found {}.", key, wanted, found.type_name()), "");
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where, ErrorKind kind) {
  // The parser takes a NUL byte for the end of the text, whatever follows it.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    throw UserError(kind, where, fmt::format("not valid JSON: NUL byte at offset {}.", nul), "");
  Guard guard(where, kind);
  try {
    return Json::parse(text.begin(), text.end(),
                       [&](int depth, Json::parse_event_t event, Json& value) { return guard(depth, event, value); });
  } catch (const Json::exception& error) {
    throw UserError(kind, where, fmt::format("not valid JSON: {}.", error.what()), "");
  }
}

Json read_json(const std::filesystem::path& path, ErrorKind kind, std::uint64_t max_bytes) {
  return parse_json(read_file(path, max_bytes, kind), path.string(), kind);
}

const Json& json_member(const Json& object, const std::string& key, const std::string& where, ErrorKind kind) {
  if (!object.is_object())
    throw UserError(kind, where, fmt::format("wanted an object with \"{}\", found {}.", key, object.type_name()), "");
  const auto found = object.find(key);
  if (found == object.end()) throw UserError(kind, where, fmt::format("\"{}\" is missing.", key), "");
  return *found;
}

std::string json_string(const Json& object, const std::string& key, const std::string& where, ErrorKind kind) {
  const Json& value = json_member(object, key, where, kind);
  if (!value.is_string()) throw_type(where, kind, key, "a string", value);
  return value.get<std::string>();
}

double json_number(const Json& object, const std::string& key, const std::string& where, ErrorKind kind) {
  const Json& value = json_member(object, key, where, kind);
  if (!value.is_number()) throw_type(where, kind, key, "a number", value);
  return value.get<double>();
}

std::int64_t json_integer(const Json& object, const std::string& key, const std::string& where, ErrorKind kind,
                          std::int64_t low, std::int64_t high) {
  const Json& value = json_member(object, key, where, kind);
  if (!value.is_number_integer()) throw_type(where, kind, key, "a whole number", value);
  const bool too_large =
      value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (too_large || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
    throw UserError(kind, where, fmt::format("\"{}\": wanted {} to {}, found {}.", key, low, high, value.dump()), "");
  return value.get<std::int64_t>();
}

bool json_bool(const Json& object, const std::string& key, const std::string& where, ErrorKind kind) {
  const Json& value = json_member(object, key, where, kind);
  if (!value.is_boolean()) throw_type(where, kind, key, "true or false", value);
  return value.get<bool>();
}

}  // namespace cp
