#include "diffusion/sampler.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"
#include "diffusion/schedule.h"

namespace cp {
namespace {

// One step c -> p of the kept timesteps. x_p = from_x x_c + from_x0 x0 + from_eps eps + from_previous x0_previous +
// noise z.
struct Step {
  double from_x = 0, from_x0 = 0, from_eps = 0, from_previous = 0, noise = 0;
};

// Posterior of the respaced chain: DDPM eqs. 6-7 with a' = A_c / A_p and b' = 1 - a' (IDDPM eq. 19). A per-step beta
// in place of b' would be wrong as soon as a timestep is skipped.
Step ddpm_step(double a_c, double a_p, bool last, bool large_variance) {
  const double alpha = a_c / a_p, beta = 1 - alpha;
  Step step;
  step.from_x0 = std::sqrt(a_p) * beta / (1 - a_c);
  step.from_x = std::sqrt(alpha) * (1 - a_p) / (1 - a_c);
  if (!last) step.noise = std::sqrt(large_variance ? beta : beta * (1 - a_p) / (1 - a_c));
  return step;
}

// DDIM eqs. 12 and 16.
Step ddim_step(double a_c, double a_p, double eta) {
  const double sigma = eta * std::sqrt((1 - a_p) / (1 - a_c)) * std::sqrt(1 - a_c / a_p);
  Step step;
  step.from_x0 = std::sqrt(a_p);
  step.from_eps = std::sqrt(std::max(0.0, 1 - a_p - sigma * sigma));
  step.noise = sigma;
  return step;
}

// DPM-Solver++ Algorithm 2 (data prediction). `a_before` is A of the step before c, or 0 when c is the first: then, and
// into zero noise (where the log-SNR is infinite), the step is of first order.
Step dpmpp_2m_step(double a_c, double a_p, double a_before, bool last) {
  Step step;
  if (last) {
    step.from_x0 = 1;
    return step;
  }
  const double h = half_log_snr(a_p) - half_log_snr(a_c);
  const double gain = -std::sqrt(a_p) * std::expm1(-h);
  step.from_x = std::sqrt((1 - a_p) / (1 - a_c));
  step.from_x0 = gain;
  if (a_before > 0) {
    const double half_inverse_r = 0.5 * h / (half_log_snr(a_c) - half_log_snr(a_before));
    step.from_x0 = gain * (1 + half_inverse_r);
    step.from_previous = -gain * half_inverse_r;
  }
  return step;
}

}  // namespace

SamplerKind parse_sampler(const std::string& name) {
  if (name == "ddpm") return SamplerKind::ddpm;
  if (name == "ddim") return SamplerKind::ddim;
  if (name == "dpmpp_2m") return SamplerKind::dpmpp_2m;
  throw UserError(ErrorKind::usage, "sampler", fmt::format("wanted a sampler, found \"{}\"", name),
                  "Use ddpm, ddim or dpmpp_2m.");
}

void sample(const Denoiser& denoiser, const std::vector<double>& alphas, const std::vector<int>& timesteps,
            const SamplerOptions& options, Rng& rng, std::span<float> x, const StepObserver& observer) {
  if (!(options.eta >= 0 && options.eta <= 1))
    throw UserError(ErrorKind::usage, "eta", fmt::format("wanted 0 to 1, found {}", options.eta),
                    "0 is deterministic, 1 has the noise of ddpm.");
  CP_CHECK(!timesteps.empty(), "no timesteps");
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    CP_CHECK(timesteps[i] >= 0 && static_cast<std::size_t>(timesteps[i]) < alphas.size(), "timestep out of range");
    CP_CHECK(i == 0 || timesteps[i] < timesteps[i - 1], "timesteps must fall strictly");
  }
  std::vector<float> eps(x.size());
  std::vector<double> x0_previous(x.size());
  double a_before = 0;
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    const bool last = i + 1 == timesteps.size();
    const double a_c = alphas[static_cast<std::size_t>(timesteps[i])];
    const double a_p = last ? 1.0 : alphas[static_cast<std::size_t>(timesteps[i + 1])];
    const Step step = options.kind == SamplerKind::ddpm   ? ddpm_step(a_c, a_p, last, options.large_variance)
                      : options.kind == SamplerKind::ddim ? ddim_step(a_c, a_p, options.eta)
                                                          : dpmpp_2m_step(a_c, a_p, a_before, last);
    denoiser(x, timesteps[i], eps);
    const double signal = std::sqrt(a_c), sigma = std::sqrt(1 - a_c);
    for (std::size_t j = 0; j < x.size(); ++j) {
      const double x_c = x[j];
      double e = eps[j], x0 = (x_c - sigma * e) / signal;
      if (options.clip_x0 && (x0 < -1 || x0 > 1)) {
        x0 = std::clamp(x0, -1.0, 1.0);
        e = (x_c - signal * x0) / sigma;
      }
      double x_p = step.from_x * x_c + step.from_x0 * x0 + step.from_eps * e + step.from_previous * x0_previous[j];
      if (step.noise > 0) x_p += step.noise * rng.normal();
      x0_previous[j] = x0;
      x[j] = static_cast<float>(x_p);
    }
    a_before = a_c;
    if (observer) observer(static_cast<int>(i) + 1, x);
  }
}

}  // namespace cp
