#pragma once
// In:  last hidden states of the prompt, change map logits, a seed.
// Out: samples of the action (x, y, a) scaled to [-1, 1]; a point moved onto the map (docs/nano.md, section 5).
// Not here: what the head reads (head_condition.h, evidence.h), schedules and samplers (diffusion/), training (learn/),
//           the places that samples point at (modes.h), the calibrated region (region.h).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/geometry.h"
#include "diffusion/flow.h"
#include "diffusion/sampler.h"
#include "formats/parameter.h"
#include "runtime/evidence.h"
#include "runtime/head_condition.h"
#include "runtime/layers.h"
#include "runtime/places.h"

namespace cp {

// (N 3) standard normal numbers, row-major, of the stream that every sampler starts from.
std::vector<float> start_noise(std::uint64_t seed, int count);

class ActionHead {
 public:
  static constexpr int kHeatSide = 32;  // places of a heatmap head that reads a vector

  // How noise becomes samples; what changepilot.json says, made ready.
  struct Sampling {
    std::vector<double> alphas;  // accumulated
    std::vector<int> timesteps;  // strictly falling
    SamplerOptions options;
    std::vector<double> times;  // of a flow
    FlowOptions flow;
  };

  // What the head makes of one prompt; the same for all samples and steps.
  struct Condition {
    std::vector<float> values;  // (256), or with `visual_grid` the evidence (64 64)
    Places places;              // where the head knows a density of places
  };

  // What head.safetensors holds, for both engines. Throws UserError(model) for a shape that is not computed.
  static Parameters parameters(const HeadShape& shape);
  static ActionHead load(const SafeTensors& file, const HeadShape& shape);

  Condition condition(const HeadInput& input) const;
  // diffusion: x (N 3) at timestep t, of accumulated alpha `alpha` -> predicted noise (N 3).
  void denoise(std::span<const float> x, int t, double alpha, const Condition& condition, std::span<float> eps) const;
  // flow: x (N 3) at time t in (0, 1], 1 = noise -> predicted velocity, noise - action (N 3).
  void velocity(std::span<const float> x, double t, const Condition& condition, std::span<float> out) const;
  // noise (N 3) -> samples (N 3), (u, v, a) each in [-1, 1]. `seed` feeds what draws numbers besides the start noise.
  // `observer` sees the samples after each step.
  std::vector<float> samples(const Condition& condition, const Sampling& how, std::vector<float> noise,
                             std::uint64_t seed, const StepObserver& observer = {}) const;

  const HeadShape& shape() const { return shape_; }
  const std::vector<float>& readout() const { return condition_.readout(); }

 private:
  void run_denoiser(std::span<const float> x, double t, std::span<const float> condition, std::span<float> out) const;

  HeadShape shape_;
  HeadCondition condition_;
  Evidence evidence_;
  Linear denoiser_[4], regressor_[2], places_, action_;
  float log_spread_ = 0;
};

// How densely samples (N 3) fall on a side x side map: logits of the share of samples a cell, smoothed by a Gaussian of
// 2 cells.
std::vector<float> density_map(std::span<const float> samples, int side);

// The centre (u, v) of the cell of a square map of logits with the largest log(sigmoid(h) + 1e-6) - distance^2 /
// (2 sigma^2); the first wins ties. sigma = 0 leaves the point as it is.
Point snap_to_map(Point point, std::span<const float> map, double sigma);

}  // namespace cp
