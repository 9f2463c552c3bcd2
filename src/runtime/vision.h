#pragma once
// In:  the vision folder of a model, of either kind.
// Out: features of a prepared image, in the form that the fusion wants.
// Not here: the encoders themselves (efficientnet_lite.h, clip_vit.h), preparing images (image/preprocess.h).

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/clip_vit.h"
#include "runtime/efficientnet_lite.h"

namespace cp {

struct VisionFeatures {
  EfficientNetLite::Features strides;  // efficientnet_lite only
  std::vector<float> pooled;           // (P) one vector of the whole image
  std::vector<float> patches;          // (G G W) clip_vit only
};

// What an encoder reads and gives.
struct VisionShape {
  int size = 0;    // S, px
  int pooled = 0;  // P
  int grid = 0;    // G; 0: no patches
  int patch = 0;   // W; 0: no patches
};

// "efficientnet_lite" or "clip_vit", by the folder's config.json; what is neither, CLIP's reader refuses by name.
std::string vision_kind(const std::filesystem::path& folder);
// Without reading weights. Throws UserError(model).
VisionShape read_vision_shape(const std::filesystem::path& folder, const std::string& kind);

class VisionEncoder {
 public:
  // `kind` as in changepilot.json: "efficientnet_lite" or "clip_vit". Throws UserError(model).
  // EfficientNet computes in float32 always.
  static VisionEncoder load(const std::filesystem::path& folder, const std::string& kind,
                            VisionPrecision precision = VisionPrecision::float32);

  // chw (3 S S). `pooled` is CLIP's projection, or the mean of EfficientNet's stride 32 over the image.
  VisionFeatures forward(std::span<const float> chw) const;
  // Both images of a pair, in one pass or by two threads. The same bits as one by one.
  std::array<VisionFeatures, 2> forward_pair(std::span<const float> before, std::span<const float> after) const;

  VisionShape shape() const;

 private:
  explicit VisionEncoder(std::variant<EfficientNetLite, ClipVit> encoder) : encoder_(std::move(encoder)) {}

  std::variant<EfficientNetLite, ClipVit> encoder_;
};

}  // namespace cp
