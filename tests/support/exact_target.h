#pragma once
// In:  a one-dimensional mixture of Gaussians; samples.
// Out: its exact noise prediction and flow velocity, so that any error is the sampler's; distance and spread of
// samples. Not here: the samplers (src/diffusion), the figures they must reach (tests/diffusion,
// bench/sampler_error.cpp).
//
// Along the line through two modes, and across it, start noise and isotropic modes stay independent: one dimension says
// what two places in a plane do.

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "core/rng.h"
#include "diffusion/flow.h"
#include "diffusion/sampler.h"

namespace cp::test {

struct Mode {
  double weight, mean, sd;
};
using Target1d = std::vector<Mode>;

// What is expected of the action and of the noise when x = signal action + sigma noise was seen.
struct Expected {
  double action = 0, noise = 0;
};

inline Expected expected(const Target1d& target, double x, double signal, double sigma) {
  const auto log_weight = [&](const Mode& mode, double variance, double d) {
    return std::log(mode.weight) - 0.5 * std::log(variance) - 0.5 * d * d / variance;
  };
  const auto variance_of = [&](const Mode& mode) { return signal * signal * mode.sd * mode.sd + sigma * sigma; };
  double largest = -1e300, total = 0;
  for (const Mode& mode : target)
    largest = std::max(largest, log_weight(mode, variance_of(mode), x - signal * mode.mean));
  Expected sum;
  for (const Mode& mode : target) {
    const double variance = variance_of(mode), d = x - signal * mode.mean;
    const double w = std::exp(log_weight(mode, variance, d) - largest);
    total += w;
    sum.action += w * (mode.mean + signal * mode.sd * mode.sd * d / variance);
    sum.noise += w * sigma * d / variance;
  }
  return {sum.action / total, sum.noise / total};
}

// Keeps a reference to `alphas`.
inline Denoiser exact_denoiser(const Target1d& target, const std::vector<double>& alphas) {
  return [target, &alphas](std::span<const float> x, int t, std::span<float> eps) {
    const double a = alphas[static_cast<std::size_t>(t)], signal = std::sqrt(a), sigma = std::sqrt(1 - a);
    for (std::size_t i = 0; i < x.size(); ++i) eps[i] = static_cast<float>(expected(target, x[i], signal, sigma).noise);
  };
}

inline Velocity exact_velocity(const Target1d& target) {
  return [target](std::span<const float> x, float t, std::span<float> v) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Expected e = expected(target, x[i], 1.0 - t, t);
      v[i] = static_cast<float>(e.noise - e.action);
    }
  };
}

inline std::vector<float> normal_noise(Rng& rng, std::size_t count) {
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

inline double cumulative(const Target1d& target, double x) {
  double sum = 0;
  for (const Mode& mode : target) sum += mode.weight * 0.5 * std::erfc((mode.mean - x) / (mode.sd * std::sqrt(2.0)));
  return sum;
}

// Wasserstein-1: the integral of |F_samples - F_target|.
inline double wasserstein(std::vector<float> samples, const Target1d& target) {
  std::sort(samples.begin(), samples.end());
  const double low = std::min(-3.0, samples.front() - 0.01), high = std::max(3.0, samples.back() + 0.01), step = 5e-4;
  double sum = 0;
  std::size_t below = 0;
  for (double x = low; x < high; x += step) {
    while (below < samples.size() && samples[below] <= x) ++below;
    sum += std::abs(static_cast<double>(below) / static_cast<double>(samples.size()) - cumulative(target, x)) * step;
  }
  return sum;
}

inline double spread(std::span<const float> x) {
  double sum = 0, squares = 0;
  for (const float v : x) sum += v, squares += static_cast<double>(v) * v;
  const double n = static_cast<double>(x.size()), mean = sum / n;
  return std::sqrt(std::max(0.0, squares / n - mean * mean));
}

inline double share_positive(std::span<const float> x) {
  return static_cast<double>(std::count_if(x.begin(), x.end(), [](float v) { return v > 0; })) /
         static_cast<double>(x.size());
}

// The samples within `sds` standard deviations of some mode (0.997 of the target itself lies within 3).
inline std::vector<float> inside(std::span<const float> x, const Target1d& target, double sds = 3) {
  std::vector<float> in;
  for (const float v : x)
    if (std::any_of(target.begin(), target.end(), [&](const Mode& m) { return std::abs(v - m.mean) <= sds * m.sd; }))
      in.push_back(v);
  return in;
}

inline double share_inside(std::span<const float> x, const Target1d& target) {
  return static_cast<double>(inside(x, target).size()) / static_cast<double>(x.size());
}

}  // namespace cp::test
