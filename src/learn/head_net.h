#pragma once
// In:  last hidden states of prompts (HiddenBatch).
// Out: what an action head of any kind makes of them, and its training losses by row.
// Not here: noise draws and targets (stages.h, ActionLoss), samplers (diffusion/), the choice of a point (runtime/).

#include "learn/evidence_net.h"
#include "learn/params.h"
#include "runtime/action_head.h"

namespace cp {

class HeadNet {
 public:
  HeadNet(std::uint64_t seed, const HeadShape& shape);

  // What is computed once for a prompt: a vector, or a density of places (`visual_grid`, and `heatmap` of any vector).
  struct Condition {
    at::Tensor c;  // (B 256); undefined with `visual_grid`
    PlacesBatch places;
  };
  Condition condition(const HiddenBatch& hidden, double dropout = 0, bool training = false) const;

  // diffusion: x (B R 3) in [-1, 1] plus noise, t (B R) i64 original timesteps, alpha (B R 1) accumulated -> eps (B R
  // 3).
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& t, const at::Tensor& alpha, const Condition& condition,
                     double dropout, bool training) const;
  // flow: t (B R 1) in (0, 1], 1 = noise -> noise - action (B R 3).
  at::Tensor velocity(const at::Tensor& x, const at::Tensor& t, const Condition& condition, double dropout,
                      bool training) const;
  at::Tensor regress(const Condition& condition) const;  // (B 3) in [-1, 1]

  const HeadShape& shape() const { return shape_; }
  ParamSet params;

 private:
  at::Tensor run_denoiser(const at::Tensor& x, const at::Tensor& t, const at::Tensor& c, double dropout,
                          bool training) const;

  HeadShape shape_;
};

// The runtime's head with these weights.
ActionHead to_action_head(const HeadNet& net);

}  // namespace cp
