#pragma once
// In:  last hidden states of the visual grid and of the last prompt position.
// Out: the noise that a noisy action holds (epsilon prediction), and the training loss of it.
// Not here: schedules and samplers (diffusion/), the choice of a point (runtime/action_head.h).

#include <string>

#include "learn/params.h"

namespace cp {

// Hidden states of a batch: grid (B 16 D), last (B D).
struct HiddenBatch {
  at::Tensor grid, last;
};

class HeadNet {
 public:
  // condition: "visual_attention" or "last_token" (docs/nano.md 5).
  HeadNet(std::uint64_t seed, const std::string& condition, int hidden);

  at::Tensor condition(const HiddenBatch& hidden) const;  // (B 256)
  // x (B 3) in [-1, 1] plus noise, t (B) i64 original timesteps, c (B 256) -> eps (B 3)
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& t, const at::Tensor& c, double dropout,
                     bool training) const;

  ParamSet params;

 private:
  std::string kind_;
};

}  // namespace cp
