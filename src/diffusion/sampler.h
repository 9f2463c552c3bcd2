#pragma once
// In:  a denoiser (any callable), accumulated alphas, a list of timesteps, start noise.
// Out: samples of the clean vector. Plain floats; the same noise gives the same bytes.
// Not here: the network behind the denoiser, the choice of a point among samples.

#include <functional>
#include <string>
#include <span>
#include <vector>

#include "core/rng.h"

namespace cp {

enum class SamplerKind { ddpm, ddim, dpmpp_2m };
SamplerKind parse_sampler(const std::string& name);  // "ddpm", "ddim", "dpmpp_2m"; throws UserError(usage)

struct SamplerOptions {
  SamplerKind kind = SamplerKind::dpmpp_2m;
  bool clip_x0 = true;          // to [-1, 1], before the step; eps is recomputed from the clipped x0
  bool large_variance = false;  // ddpm: posterior variance "large" (b') instead of "small" (b~)
  double eta = 0;               // ddim only
};

// eps prediction: given x_t (N D) and the ORIGINAL timestep t, writes the predicted noise (N D).
using Denoiser = std::function<void(std::span<const float> x, int t, std::span<float> eps)>;

// Called after each step with the number of steps done (from 1) and x (N D) as it then stands.
using StepObserver = std::function<void(int done, std::span<const float> x)>;

// `x` (N D) holds the start noise and becomes the samples. `alphas` as accumulated_alphas();
// `timesteps` strictly falling. Throws UserError(usage) unless 0 <= eta <= 1. x is float32 between steps.
// ddpm (and ddim with eta > 0) draw z from `rng` row by row, step by step; the others ignore it.
void sample(const Denoiser& denoiser, const std::vector<double>& alphas, const std::vector<int>& timesteps,
            const SamplerOptions& options, Rng& rng, std::span<float> x, const StepObserver& observer = {});

}  // namespace cp
