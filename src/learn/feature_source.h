#pragma once
// In:  a frozen vision encoder's folder (runtime/).
// Out: what of a pair in one view is cached, and how it is computed.
// Not here: the file that it is kept in (feature_cache.h).

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/augment.h"
#include "image/image.h"

namespace cp {

struct FeatureSource {
  // Fills a row of halfs; the mask may be empty. Called from several threads at once.
  using Compute = std::function<void(const Image& before, const Image& after, const Image& mask, const View& view,
                                     std::uint16_t* out)>;

  std::string key;                 // all that a row depends on besides pixels and view
  std::size_t row = 0;             // halfs
  std::function<Compute()> start;  // loads the encoder; called only when something is to be computed
};

// Where the parts of one (pair, view) lie in a row of stride_features().
struct FeatureLayout {
  static constexpr std::size_t s8 = 40 * 32 * 32, s16 = 112 * 16 * 16, s32 = 320 * 8 * 8;
  static constexpr std::size_t image = s8 + s16 + s32;
  static constexpr std::size_t map = 64 * 64;          // share of changed pixels in each cell, in [0, 1]
  static constexpr std::size_t row = 2 * image + map;  // before, after, map
};

// EfficientNet-Lite0's three strides of both images, and the change map's target.
FeatureSource stride_features(const std::filesystem::path& vision_folder);

// What a PairFusion reads of an encoder (docs/published.md, 1): before (rows in), after (rows in) and, with `patches`,
// the change map's target (64 64).
FeatureSource row_features(const std::filesystem::path& vision_folder, const std::string& kind, bool patches);

// (64 64) share of non-zero mask pixels in each cell; the mask may have any size that is a multiple of 64 (else it is
// resized by nearest to 256 first).
std::vector<float> map_target(const Image& mask);

}  // namespace cp
