#include "learn/feature_source.h"

#include <memory>

#include "core/error.h"
#include "core/file.h"
#include "formats/safetensors.h"
#include "image/preprocess.h"
#include "runtime/efficientnet_lite.h"
#include "runtime/model_parts.h"
#include "runtime/vision.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr int kCells = 64;

void to_halfs(const std::vector<float>& values, std::uint16_t*& out) {
  for (const float value : values) *out++ = float_to_half(value);
}

}  // namespace

// A change of the layout or of the arithmetic gets a new first word in the key.
FeatureSource stride_features(const fs::path& vision_folder) {
  FeatureSource source;
  source.key = "features-2 " + sha256_hex_file(vision_folder / "model.safetensors");
  source.row = FeatureLayout::row;
  source.start = [vision_folder]() -> FeatureSource::Compute {
    const auto vision = std::make_shared<const EfficientNetLite>(EfficientNetLite::load(vision_folder));
    return [vision](const Image& before, const Image& after, const Image& mask, const View& view, std::uint16_t* out) {
      for (const Image* image : {&before, &after}) {
        const EfficientNetLite::Features f = vision->forward(preprocess(apply_view(*image, view), Preprocess{}));
        for (const auto* part : {&f.s8, &f.s16, &f.s32}) to_halfs(*part, out);
      }
      if (mask.width > 0) to_halfs(map_target(apply_view_mask(mask, view)), out);
    };
  };
  return source;
}

FeatureSource row_features(const fs::path& vision_folder, const std::string& kind, bool patches) {
  const VisionShape shape = read_vision_shape(vision_folder, kind);
  FeatureSource source;
  source.key = patches ? "patches-1 " : "pooled-1 ";
  for (const char* file : {"model.safetensors", "config.json", "preprocessor_config.json"})
    source.key += sha256_hex_file(vision_folder / file);
  source.row = 2 * static_cast<std::size_t>(patches ? shape.grid * shape.grid * shape.patch : shape.pooled);
  if (patches) source.row += FeatureLayout::map;
  source.start = [=]() -> FeatureSource::Compute {
    const auto vision = std::make_shared<const VisionEncoder>(VisionEncoder::load(vision_folder, kind));
    const Preprocess how = load_preprocess(vision_folder, shape.size);
    return [=](const Image& before, const Image& after, const Image& mask, const View& view, std::uint16_t* out) {
      for (const Image* image : {&before, &after}) {
        const VisionFeatures f = vision->forward(preprocess(apply_view(*image, view), how));
        to_halfs(patches ? f.patches : f.pooled, out);
      }
      if (patches && mask.width > 0) to_halfs(map_target(apply_view_mask(mask, view)), out);
    };
  };
  return source;
}

std::vector<float> map_target(const Image& mask) {
  if (mask.width % kCells != 0 || mask.height % kCells != 0) return map_target(resize(mask, 256, 256, Filter::nearest));
  const int w = mask.width / kCells, h = mask.height / kCells;
  std::vector<float> out(kCells * kCells);
  for (int y = 0; y < kCells; ++y)
    for (int x = 0; x < kCells; ++x) {
      int changed = 0;
      for (int j = 0; j < h; ++j)
        for (int i = 0; i < w; ++i) changed += *mask.at(x * w + i, y * h + j) > 0;
      out[static_cast<std::size_t>(y * kCells + x)] = static_cast<float>(changed) / static_cast<float>(w * h);
    }
  return out;
}

}  // namespace cp
