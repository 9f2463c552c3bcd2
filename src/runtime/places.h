#pragma once
// In:  evidence for every cell of a square grid, a log-odds of a = +1, a noisy action.
// Out: the exact mean of the clean action given the noisy one, when clean actions are a mixture of Gaussians round the
//      cells ("posterior attention", docs/nano.md 5): what a denoiser has to know, in closed form.
// Not here: where the evidence comes from (evidence.h), samplers (diffusion/).

#include <span>
#include <vector>

#include "core/rng.h"
#include "kernels/gemm.h"

namespace cp {

// Centre of cell i of n as a coordinate in [-1, 1].
inline double cell_centre(int i, int n) { return (2.0 * i + 1) / n - 1; }

// p(u, v, a) = sum_g w_g N((u, v); g, spread^2) x sum_{b = +-1} p_b N(a; b, action_spread^2), w = softmax(evidence),
// p_+1 = sigmoid(action_logit).
class Places {
 public:
  static constexpr double kFloor = -60;  // evidence below the largest that still counts: no sum of weights is zero

  Places() = default;
  // `evidence` (side side), row-major, any finite logits.
  Places(std::span<const float> evidence, double spread, double action_logit, double action_spread);

  // Mean of the clean actions whose noisy form alpha x0 + sigma n is `x` (N 3): writes x0 (N 3).
  void clean(std::span<const float> x, double alpha, double sigma, std::span<float> x0) const;

  // One action drawn from the mixture itself.
  void draw(Rng& rng, std::span<float, 3> action) const;
  // Its mean: the place of least squared error, and p_+1 - p_-1.
  void mean(std::span<float, 3> action) const;

  int side() const { return side_; }
  const std::vector<float>& weights() const { return weight_; }  // exp(evidence - largest), row-major

 private:
  int side_ = 0;
  std::vector<float> weight_;
  PackedMatrix by_column_;  // weight_ as the right side of a product that sums over columns
  double spread_ = 0, action_logit_ = 0, action_spread_ = 0;
};

}  // namespace cp
