#include "runtime/vision.h"

#include "core/error.h"

namespace cp {

namespace {

constexpr int kPooled = 320;  // channels of EfficientNet-Lite0's stride 32

}  // namespace

VisionEncoder VisionEncoder::load(const std::filesystem::path& folder, const std::string& kind) {
  if (kind == "clip_vit") return VisionEncoder(ClipVit::load(folder));
  CP_CHECK(kind == "efficientnet_lite", "VisionEncoder: unknown kind " + kind);
  return VisionEncoder(EfficientNetLite::load(folder));
}

VisionFeatures VisionEncoder::forward(std::span<const float> chw) const {
  VisionFeatures features;
  if (const auto* clip = std::get_if<ClipVit>(&encoder_)) {
    ClipVit::Features seen = clip->forward(chw);
    features.pooled = std::move(seen.pooled);
    features.patches = std::move(seen.patches);
    return features;
  }
  features.strides = std::get<EfficientNetLite>(encoder_).forward(chw);
  const std::vector<float>& s32 = features.strides.s32;
  const std::size_t cells = s32.size() / kPooled;
  for (std::size_t c = 0; c < kPooled; ++c) {
    double sum = 0;
    for (std::size_t i = 0; i < cells; ++i) sum += s32[c * cells + i];
    features.pooled.push_back(static_cast<float>(sum / static_cast<double>(cells)));
  }
  return features;
}

int VisionEncoder::size() const {
  const auto* clip = std::get_if<ClipVit>(&encoder_);
  return clip ? clip->config().image_size : EfficientNetLite::kSize;
}

int VisionEncoder::pooled_width() const {
  const auto* clip = std::get_if<ClipVit>(&encoder_);
  return clip ? clip->config().projection_dim : kPooled;
}

int VisionEncoder::grid() const {
  const auto* clip = std::get_if<ClipVit>(&encoder_);
  return clip ? clip->config().grid() : 0;
}

int VisionEncoder::patch_width() const {
  const auto* clip = std::get_if<ClipVit>(&encoder_);
  return clip ? clip->config().hidden_size : 0;
}

}  // namespace cp
