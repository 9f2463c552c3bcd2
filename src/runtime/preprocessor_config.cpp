#include "runtime/preprocessor_config.h"

#include <string>

#include "core/json.h"

namespace cp {

namespace {

constexpr int kLargest = 4096;  // px

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw UserError(ErrorKind::model, where, what, "Use the preprocessor_config.json that belongs to the encoder.");
}

// Absent switches are on, as in the reference's defaults.
bool switched_on(const Json& config, const std::string& key, const std::string& where, bool otherwise) {
  return config.contains(key) ? json_bool(config, key, where, ErrorKind::model) : otherwise;
}

// A size that is {"height": S, "width": S}, {"shortest_edge": S} or S.
int side(const Json& config, const std::string& key, bool& shortest_edge, const std::string& where) {
  const Json& size = json_member(config, key, where, ErrorKind::model);
  const auto number = [&](const Json& object, const std::string& name) {
    return static_cast<int>(json_integer(object, name, where, ErrorKind::model, 1, kLargest));
  };
  if (!size.is_object()) return number(config, key);
  shortest_edge = size.contains("shortest_edge");
  if (shortest_edge) return number(size, "shortest_edge");
  if (number(size, "height") != number(size, "width")) refuse(where, "\"" + key + "\": wanted a square");
  return number(size, "height");
}

std::array<float, 3> three(const Json& config, const std::string& key, const std::string& where) {
  const Json& list = json_member(config, key, where, ErrorKind::model);
  std::array<float, 3> out{};
  if (!list.is_array() || list.size() != 3) refuse(where, "\"" + key + "\": wanted a list of three numbers");
  for (std::size_t i = 0; i < 3; ++i) {
    if (!list[i].is_number()) refuse(where, "\"" + key + "\": wanted a list of three numbers");
    out[i] = list[i].get<float>();
  }
  return out;
}

}  // namespace

Preprocess read_preprocess(const std::filesystem::path& path) {
  const std::string where = path.string();
  const Json config = read_json(path, ErrorKind::model, 1 << 20);
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"})
    if (!switched_on(config, key, where, true)) refuse(where, std::string("\"") + key + "\": wanted true");

  Preprocess how;
  bool shortest_edge = false;
  how.size = side(config, "size", shortest_edge, where);
  const bool crop = switched_on(config, "do_center_crop", where, shortest_edge);
  if (crop != shortest_edge) refuse(where, "wanted a shortest edge with a centre crop, or neither");
  how.keep_aspect = shortest_edge;
  bool unused = false;
  if (crop && side(config, "crop_size", unused, where) != how.size)
    refuse(where, "\"crop_size\": wanted the same as \"size\"");

  constexpr Filter kFilters[] = {Filter::nearest, Filter::lanczos, Filter::bilinear,
                                 Filter::bicubic, Filter::box,     Filter::hamming};
  how.filter = kFilters[json_integer(config, "resample", where, ErrorKind::model, 0, 5)];
  how.rescale = json_number(config, "rescale_factor", where, ErrorKind::model);
  how.mean = three(config, "image_mean", where);
  how.std = three(config, "image_std", where);
  for (const float s : how.std)
    if (!(s > 0)) refuse(where, "\"image_std\": wanted numbers above 0");
  return how;
}

}  // namespace cp
