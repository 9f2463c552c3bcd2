#pragma once
// In:  pairs, views, where features come from (feature_source.h).
// Out: the features of each pair in each view, as fp16 in one memory-mapped file that is keyed by the encoder's weights
//      and preprocessing, the views and the images' content; computed once, shared by runs.
// Not here: tensors (train_data.h and published_data.h make batches from it).

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/levir.h"
#include "learn/feature_source.h"

namespace cp {

class FeatureCache {
 public:
  // views[i] are the views of pairs[i] (all of one length). Computes what is missing with `threads` threads.
  static FeatureCache open(const std::filesystem::path& folder, const FeatureSource& source,
                           const std::vector<PairRecord>& pairs, const std::vector<std::vector<View>>& views,
                           int threads);

  // The same features, of the pairs with these numbers only.
  FeatureCache subset(std::vector<std::size_t> pairs) const;

  // (source.row) fp16 bits; valid as long as any copy of the cache lives.
  const std::uint16_t* row(std::size_t pair, std::size_t view) const;
  const std::string& key() const { return key_; }

 private:
  struct Mapping;
  std::shared_ptr<const Mapping> mapping_;
  std::vector<std::size_t> pairs_;  // numbers in the file; empty: all
  std::size_t views_ = 0, row_ = 0;
  std::string key_;
};

}  // namespace cp
