#pragma once
// In:  a change map's and a change flag's logits, the pairs that they are of.
// Out: how far they are from the masks and the flags.
// Not here: the networks, the stages.

#include "learn/pair_data.h"

namespace cp {

struct MapLoss {
  static constexpr double kFlagWeight = 0.5;

  at::Tensor map;    // binary cross-entropy + 0.5 dice, mean over the pairs whose mask can be trusted
  at::Tensor flag;   // binary cross-entropy
  double right = 0;  // flags on the right side of 0

  at::Tensor total() const { return map + kFlagWeight * flag; }
};

// map, truth (B 64 64), flag (B).
MapLoss map_loss(const at::Tensor& map, const at::Tensor& flag, const at::Tensor& truth,
                 const std::vector<TrainPair>& pairs, const std::vector<Pick>& picks);

}  // namespace cp
