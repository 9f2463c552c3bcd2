#pragma once
// In:  pairs, views, the frozen vision encoder (runtime/).
// Out: features of both images and the change map target of each view, as fp16 in one memory-mapped file that is keyed
// by
//      the weights, the views and the images' content; computed once, shared by runs.
// Not here: tensors (train_data.h makes batches from it).

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/levir.h"
#include "runtime/efficientnet_lite.h"

namespace cp {

// Where the parts of one (pair, view) lie in its row of halfs.
struct FeatureLayout {
  static constexpr std::size_t s8 = 40 * 32 * 32, s16 = 112 * 16 * 16, s32 = 320 * 8 * 8;
  static constexpr std::size_t image = s8 + s16 + s32;
  static constexpr std::size_t map = 64 * 64;          // share of changed pixels in each cell, in [0, 1]
  static constexpr std::size_t row = 2 * image + map;  // before, after, map
};

class FeatureCache {
 public:
  // views[i] are the views of pairs[i] (all of one length). Computes what is missing with `threads` threads.
  static FeatureCache open(const std::filesystem::path& folder, const std::filesystem::path& vision_folder,
                           const std::vector<PairRecord>& pairs, const std::vector<std::vector<View>>& views,
                           int threads);

  // (FeatureLayout::row) fp16 bits; valid as long as any copy of the cache lives.
  const std::uint16_t* row(std::size_t pair, std::size_t view) const;
  const std::string& key() const { return key_; }

 private:
  struct Mapping;
  std::shared_ptr<const Mapping> mapping_;
  std::size_t views_ = 0;
  std::string key_;
};

// (64 64) share of non-zero mask pixels in each cell; the mask may have any size that is a multiple of 64 (else it is
// resized by nearest to 256 first).
std::vector<float> map_target(const Image& mask);

}  // namespace cp
