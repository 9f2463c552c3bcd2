#pragma once
// In:  text that may be hostile.
// Out: a nlohmann::json value, or a UserError that names file, field, wanted and found.
// Not here: YAML (core/options.h), durable writing (core/file.h).

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace cp {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // keeps the order in which keys were written, for files that people read

// Parses with depth <= 32, duplicate keys refused, valid UTF-8 required. `where` names the source in errors.
Json parse_json(std::string_view text, const std::string& where, ErrorKind kind);
Json read_json(const std::filesystem::path& path, ErrorKind kind, std::uint64_t max_bytes = std::uint64_t{256} << 20);

// Typed access: throws UserError(kind, where, "\"key\": wanted <type>, found <type>") when absent or of another type.
const Json& json_member(const Json& object, const std::string& key, const std::string& where, ErrorKind kind);
std::string json_string(const Json& object, const std::string& key, const std::string& where, ErrorKind kind);
double json_number(const Json& object, const std::string& key, const std::string& where, ErrorKind kind);
std::int64_t json_integer(const Json& object, const std::string& key, const std::string& where, ErrorKind kind,
                          std::int64_t low, std::int64_t high);  // inclusive bounds
bool json_bool(const Json& object, const std::string& key, const std::string& where, ErrorKind kind);

}  // namespace cp
