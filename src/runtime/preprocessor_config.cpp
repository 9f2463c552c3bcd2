#include "runtime/preprocessor_config.h"

#include <string>

#include <fmt/format.h>

#include "formats/json_fields.h"

namespace cp {

namespace {

constexpr int kLargest = 4096;  // px
constexpr int kClipSize = 224;  // px

// Keys that change no pixel of a single RGB image: bookkeeping of transformers, and what every image is here anyway.
constexpr const char* kHarmless[] = {
    "processor_class",  "auto_map", "_valid_processor_keys", "data_format", "do_convert_rgb",    "return_tensors",
    "disable_grouping", "device",   "image_seq_length",      "crop_size",   "input_data_format", "default_to_square"};

bool flag(JsonFields& fields, const std::string& key, bool absent) {
  if (!fields.has(key)) return absent;
  const Json& value = fields.any(key);
  if (!value.is_boolean()) fields.refuse(key, fmt::format("wanted true or false, found {}", value.dump()));
  return value.get<bool>();
}

// Whether the file names CLIP's image processor; then absent keys take its defaults. A file that names none must say
// everything itself.
bool names_clip(JsonFields& fields) {
  bool named = false;
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    if (!fields.has(key)) continue;
    fields.choice(key,
                  {"CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil", "CLIPFeatureExtractor"});
    named = true;
  }
  return named;
}

struct Side {
  int pixels;
  bool shortest_edge;  // else a square
};

// {"height": S, "width": S}, {"shortest_edge": S} or S.
Side read_side(JsonFields& fields, const std::string& key, bool number_is_shortest_edge) {
  if (!fields.any(key).is_object()) return {fields.whole(key, 1, kLargest), number_is_shortest_edge};
  JsonFields size = fields.object(key);
  Side side{0, size.has("shortest_edge")};
  side.pixels = size.whole(side.shortest_edge ? "shortest_edge" : "height", 1, kLargest);
  if (!side.shortest_edge && size.whole("width", 1, kLargest) != side.pixels)
    fields.refuse(key, fmt::format("wanted a square, found {}", fields.any(key).dump()));
  size.finish();
  return side;
}

std::array<float, 3> three(JsonFields& fields, const std::string& key, double low) {
  const Json& list = fields.any(key);
  std::array<float, 3> out{};
  const auto refuse = [&] {
    fields.refuse(key, fmt::format("wanted a list of three numbers from {} to 1000, found {}", low, list.dump()));
  };
  if (!list.is_array() || list.size() != 3) refuse();
  for (std::size_t i = 0; i < 3; ++i) {
    if (!list[i].is_number() || !(list[i].get<double>() >= low && list[i].get<double>() <= 1000)) refuse();
    out[i] = list[i].get<float>();
  }
  return out;
}

// Sets size and keep_aspect.
void read_sizes(JsonFields& fields, bool clip, Preprocess& how) {
  const bool number_is_shortest_edge = clip && !flag(fields, "default_to_square", false);
  const Side size =
      clip && !fields.has("size") ? Side{kClipSize, true} : read_side(fields, "size", number_is_shortest_edge);
  how.size = size.pixels;
  how.keep_aspect = size.shortest_edge;
  if (!flag(fields, "do_center_crop", clip || size.shortest_edge)) {
    if (size.shortest_edge)
      fields.refuse("do_center_crop", "wanted true, because \"size\" is that of the shortest edge");
    return;
  }
  const Side crop = clip && !fields.has("crop_size") ? Side{kClipSize, false} : read_side(fields, "crop_size", false);
  if (crop.shortest_edge) fields.refuse("crop_size", "wanted a height and a width, found a shortest edge");
  if (crop.pixels != size.pixels)
    fields.refuse("crop_size", fmt::format("wanted that of \"size\", {}, found {}", size.pixels, crop.pixels));
}

}  // namespace

Preprocess read_preprocess(const std::filesystem::path& path) {
  const Json config = read_json(path, ErrorKind::model, 1 << 20);
  JsonFields fields(config, path.string());
  const bool clip = names_clip(fields);
  for (const char* key : {"do_resize", "do_rescale", "do_normalize"})
    if (!flag(fields, key, true)) fields.refuse(key, "wanted true");

  Preprocess how;
  how.mean = {0.48145466f, 0.4578275f, 0.40821073f};  // CLIP's
  how.std = {0.26862954f, 0.26130258f, 0.27577711f};
  read_sizes(fields, clip, how);
  const auto given = [&](const char* key) { return !clip || fields.has(key); };
  constexpr Filter kFilters[] = {Filter::nearest, Filter::lanczos, Filter::bilinear,
                                 Filter::bicubic, Filter::box,     Filter::hamming};
  if (given("resample")) how.filter = kFilters[fields.whole("resample", 0, 5)];
  if (given("rescale_factor")) how.rescale = fields.number("rescale_factor", 0, 1000);
  if (given("image_mean")) how.mean = three(fields, "image_mean", -1000);
  if (given("image_std")) how.std = three(fields, "image_std", 1e-6);
  for (const char* key : kHarmless)
    if (fields.has(key)) fields.any(key);
  for (const auto& [key, value] : config.items())
    if (value.is_null()) fields.any(key);  // an option that is off (do_pad, pad_size); what was read is never null
  fields.finish();
  return how;
}

}  // namespace cp
