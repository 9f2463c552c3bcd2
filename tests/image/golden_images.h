#pragma once
// In:  tests/golden/image (made by tests/oracle/image_kinds.py and image_files.py).
// Out: the golden entries, and the hashes they are compared by.
// Not here: comparisons.

#include <string>

#include <nlohmann/json.hpp>

#include "core/file.h"
#include "image/image.h"
#include "support/test_support.h"

namespace cp::test {

// First 16 hex digits of SHA-256, as the oracle scripts write it.
inline std::string digest(std::string_view bytes) { return sha256_hex(bytes).substr(0, 16); }

inline std::string digest(const Image& image) {
  return digest(std::string_view(reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()));
}

inline std::string digest(const std::vector<float>& values) {
  return digest(std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
}

inline nlohmann::json golden_json(const std::string& relative) {
  return nlohmann::json::parse(read_file(golden(relative), std::uint64_t{1} << 24, ErrorKind::data));
}

inline std::filesystem::path kind_path(const std::string& name) { return golden("image/kinds") / name; }

inline std::string kind_bytes(const std::string& name) {
  return read_file(kind_path(name), std::uint64_t{1} << 24, ErrorKind::data);
}

}  // namespace cp::test
