#include "diffusion/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr double kLinearFirst = 1e-4, kLinearLast = 0.02;  // beta of the first and last of 1000 steps (DDPM, section 4)
constexpr double kCosineOffset = 0.008;                    // s of IDDPM eq. 17
constexpr double kLargestBeta = 0.999;                     // IDDPM section 3.2; keeps A_t above zero

double beta_linear(int t, int train_steps) {
  // The same end points over fewer steps would leave signal at the end, so they are rescaled.
  const double scale = 1000.0 / train_steps;
  const double position = train_steps == 1 ? 0.0 : static_cast<double>(t) / (train_steps - 1);
  return scale * (kLinearFirst + position * (kLinearLast - kLinearFirst));
}

double beta_squared_cosine(int t, int train_steps) {
  const auto signal = [&](int step) {
    const double angle = (static_cast<double>(step) / train_steps + kCosineOffset) / (1 + kCosineOffset);
    const double c = std::cos(angle * std::numbers::pi / 2);
    return c * c;
  };
  return 1 - signal(t + 1) / signal(t);
}

// The noisiest timestep whose half log-SNR is still at least `target`; `alphas` fall with t.
int timestep_of_log_snr(const std::vector<double>& alphas, double target) {
  const auto after =
      std::partition_point(alphas.begin(), alphas.end(), [&](double a) { return half_log_snr(a) >= target; });
  return static_cast<int>(after - alphas.begin()) - 1;
}

// The i-th of K kept timesteps, i = 1 .. K from the low end, before rounding clashes are mended.
int kept_timestep(Spacing spacing, int i, int count, const std::vector<double>& alphas) {
  const int train_steps = static_cast<int>(alphas.size());
  const double share = static_cast<double>(i) / count;
  switch (spacing) {
    case Spacing::leading:
      return (i - 1) * (train_steps / count);
    case Spacing::trailing:
      return static_cast<int>(std::nearbyint(train_steps * share)) - 1;
    case Spacing::linspace:
      return count == 1 ? train_steps - 1
                        : static_cast<int>(std::nearbyint((i - 1) * (train_steps - 1.0) / (count - 1)));
    case Spacing::quadratic:
      return static_cast<int>(std::nearbyint(train_steps * share * share)) - 1;
    case Spacing::log_snr: {
      if (i == count) return train_steps - 1;  // also for K = 1; the ends are not left to rounding
      if (i == 1) return 0;
      const double clean = half_log_snr(alphas.front()), noisy = half_log_snr(alphas.back());
      return timestep_of_log_snr(alphas, clean + (i - 1) * (noisy - clean) / (count - 1));
    }
  }
  CP_CHECK(false, "unknown spacing");
}

}  // namespace

double half_log_snr(double alpha) { return 0.5 * std::log(alpha / (1 - alpha)); }

ScheduleKind parse_schedule(const std::string& name) {
  if (name == "linear") return ScheduleKind::linear;
  if (name == "squared_cosine") return ScheduleKind::squared_cosine;
  throw UserError(ErrorKind::usage, "schedule", fmt::format("wanted a noise schedule, found \"{}\"", name),
                  "Use linear or squared_cosine.");
}

Spacing parse_spacing(const std::string& name) {
  if (name == "leading") return Spacing::leading;
  if (name == "trailing") return Spacing::trailing;
  if (name == "linspace") return Spacing::linspace;
  if (name == "quadratic") return Spacing::quadratic;
  if (name == "log_snr") return Spacing::log_snr;
  throw UserError(ErrorKind::usage, "spacing", fmt::format("wanted a spacing of timesteps, found \"{}\"", name),
                  "Use leading, trailing, linspace, quadratic or log_snr.");
}

std::vector<double> accumulated_alphas(ScheduleKind kind, int train_steps) {
  if (train_steps < 1)
    throw UserError(ErrorKind::usage, "train_steps", fmt::format("wanted at least 1, found {}", train_steps),
                    "The published design uses 1000.");
  std::vector<double> alphas(static_cast<std::size_t>(train_steps));
  double product = 1;
  for (int t = 0; t < train_steps; ++t) {
    const double beta =
        kind == ScheduleKind::linear ? beta_linear(t, train_steps) : beta_squared_cosine(t, train_steps);
    product *= 1 - std::min(kLargestBeta, beta);
    alphas[static_cast<std::size_t>(t)] = product;
  }
  return alphas;
}

std::vector<int> respace(Spacing spacing, int steps, const std::vector<double>& alphas) {
  const int train_steps = static_cast<int>(alphas.size());
  if (steps < 1 || steps > train_steps)
    throw UserError(ErrorKind::usage, "steps",
                    fmt::format("wanted 1 to {} denoising steps, found {}", train_steps, steps),
                    "Ten steps are the default.");
  std::vector<int> kept(static_cast<std::size_t>(steps));
  // Quadratic and log-SNR lists are denser than the timesteps at one end: move a clash to the next free timestep,
  // upwards first and then down from the last, so that the list stays strictly monotonic for every number of steps.
  int lowest = 0;
  for (int i = 1; i <= steps; ++i) {
    lowest = std::max(lowest, kept_timestep(spacing, i, steps, alphas));
    kept[static_cast<std::size_t>(steps - i)] = lowest++;
  }
  for (int i = 0; i < steps; ++i)
    kept[static_cast<std::size_t>(i)] = std::min(kept[static_cast<std::size_t>(i)],
                                                 i == 0 ? train_steps - 1 : kept[static_cast<std::size_t>(i - 1)] - 1);
  return kept;
}

}  // namespace cp
