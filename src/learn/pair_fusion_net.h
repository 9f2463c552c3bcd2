#pragma once
// In:  features of the image before and the image after, as rows.
// Out: visual embeddings; from patches also a change map and a change flag, differentiable (docs/published.md, 2 and
//      3). Names and start values are those of runtime/pair_fusion.h.
// Not here: inference without LibTorch (runtime/pair_fusion.h), the encoders.

#include "learn/params.h"
#include "runtime/pair_fusion.h"

namespace cp {

struct PairFusionOut {
  at::Tensor embeddings;  // (B R D)
  at::Tensor map;         // (B 64 64) logits; undefined without a map
  at::Tensor flag;        // (B) logits; undefined without a map
};

class PairFusionNet {
 public:
  PairFusionNet(const PairFusion::Shape& shape, std::uint64_t seed, double embedding_scale);

  PairFusionOut forward(const at::Tensor& before, const at::Tensor& after) const;  // (B R in) each

  const PairFusion::Shape& shape() const { return shape_; }
  ParamSet params;

 private:
  PairFusion::Shape shape_;
};

}  // namespace cp
