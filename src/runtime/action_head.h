#pragma once
// In:  last hidden states of the prompt, change map logits, a seed.
// Out: samples of the action (x, y, a) scaled to [-1, 1]; a point moved onto the map (docs/nano.md, section 5).
// Not here: schedules and samplers (diffusion/), training (learn/), the places that samples point at (modes.h), the
//           calibrated region (region.h).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/geometry.h"
#include "diffusion/sampler.h"
#include "formats/parameter.h"
#include "runtime/layers.h"

namespace cp {

// (N 3) standard normal numbers, row-major, of the stream that every sampler starts from.
std::vector<float> start_noise(std::uint64_t seed, int count);

class ActionHead {
 public:
  static constexpr int kCondition = 256;  // width of the condition

  // How noise becomes samples; what changepilot.json says, made ready.
  struct Sampling {
    std::vector<double> alphas;  // accumulated
    std::vector<int> timesteps;  // strictly falling
    SamplerOptions options;
  };

  // What head.safetensors holds, for both engines. Throws UserError(model) for a condition that is not in this version.
  static Parameters parameters(const std::string& condition, int hidden);
  // head.safetensors. `condition` is "visual_attention" or "last_token"; `grid` the side of the visual grid, `hidden`
  // the language model's width. Throws UserError(model).
  static ActionHead load(const SafeTensors& file, const std::string& condition, int grid, int hidden);

  // `prompt` (T D) last hidden states after the final norm; the grid's positions start at `visual_begin`. Returns c
  // (256).
  std::vector<float> condition(std::span<const float> prompt, int visual_begin) const;
  // x (N 3) at timestep t -> predicted noise (N 3).
  void denoise(std::span<const float> x, int t, std::span<const float> condition, std::span<float> eps) const;
  // noise (N 3) -> samples (N 3), (u, v, a) each in [-1, 1]. `seed` feeds samplers that draw noise on their way.
  // `observer` sees the samples after each step.
  std::vector<float> samples(std::span<const float> condition, const Sampling& how, std::vector<float> noise,
                             std::uint64_t seed, const StepObserver& observer = {}) const;

 private:
  bool attends_ = false;  // visual_attention
  int grid_ = 0, hidden_ = 0;
  std::vector<float> query_;  // (4 64)
  Linear key_, value_, out_;
  Norm norm_;
  Linear denoiser_[4];
};

// How densely samples (N 3) fall on a side x side map: logits of the share of samples a cell, smoothed by a Gaussian of
// 2 cells.
std::vector<float> density_map(std::span<const float> samples, int side);

// The centre (u, v) of the cell of a square map of logits with the largest log(sigmoid(h) + 1e-6) - distance^2 /
// (2 sigma^2); the first wins ties. sigma = 0 leaves the point as it is.
Point snap_to_map(Point point, std::span<const float> map, double sigma);

}  // namespace cp
