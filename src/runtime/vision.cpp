#include "runtime/vision.h"

#include "core/error.h"
#include "core/thread_pool.h"
#include "formats/json_fields.h"

namespace cp {

namespace {

constexpr int kPooled = 320;  // channels of EfficientNet-Lite0's stride 32

constexpr VisionShape kEfficientNetShape = {EfficientNetLite::kSize, kPooled, 0, 0};

VisionShape shape_of(const ClipConfig& c) { return {c.image_size, c.projection_dim, c.grid(), c.hidden_size}; }

VisionFeatures of_clip(ClipVit::Features seen) {
  VisionFeatures features;
  features.pooled = std::move(seen.pooled);
  features.patches = std::move(seen.patches);
  return features;
}

VisionFeatures of_strides(EfficientNetLite::Features strides) {
  VisionFeatures features;
  features.strides = std::move(strides);
  const std::vector<float>& s32 = features.strides.s32;
  const std::size_t cells = s32.size() / kPooled;
  for (std::size_t c = 0; c < kPooled; ++c) {
    double sum = 0;
    for (std::size_t i = 0; i < cells; ++i) sum += s32[c * cells + i];
    features.pooled.push_back(static_cast<float>(sum / static_cast<double>(cells)));
  }
  return features;
}

}  // namespace

std::string vision_kind(const std::filesystem::path& folder) {
  const std::filesystem::path config = folder / "config.json";
  const std::string type =
      json_string(read_json(config, ErrorKind::model), "model_type", config.string(), ErrorKind::model);
  return type == "efficientnet_lite" ? type : "clip_vit";
}

VisionShape read_vision_shape(const std::filesystem::path& folder, const std::string& kind) {
  return kind == "clip_vit" ? shape_of(read_clip_config(folder / "config.json")) : kEfficientNetShape;
}

VisionEncoder VisionEncoder::load(const std::filesystem::path& folder, const std::string& kind,
                                  VisionPrecision precision) {
  if (kind == "clip_vit") return VisionEncoder(ClipVit::load(folder, precision));
  CP_CHECK(kind == "efficientnet_lite", "VisionEncoder: unknown kind " + kind);
  return VisionEncoder(EfficientNetLite::load(folder));
}

VisionFeatures VisionEncoder::forward(std::span<const float> chw) const {
  if (const auto* clip = std::get_if<ClipVit>(&encoder_)) return of_clip(clip->forward(chw));
  return of_strides(std::get<EfficientNetLite>(encoder_).forward(chw));
}

std::array<VisionFeatures, 2> VisionEncoder::forward_pair(std::span<const float> before,
                                                          std::span<const float> after) const {
  const std::span<const float> images[2] = {before, after};
  if (const auto* clip = std::get_if<ClipVit>(&encoder_)) {
    std::vector<ClipVit::Features> seen = clip->forward_all(images);
    return {of_clip(std::move(seen[0])), of_clip(std::move(seen[1]))};
  }
  std::array<VisionFeatures, 2> features;
  thread_pool().run(2, [&](std::size_t i) { features[i] = forward(images[i]); });
  return features;
}

VisionShape VisionEncoder::shape() const {
  const auto* clip = std::get_if<ClipVit>(&encoder_);
  return clip ? shape_of(clip->config()) : kEfficientNetShape;
}

}  // namespace cp
