#include "diffusion/flow.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr int kMostSteps = 1000;
constexpr double kMostPower = 4;                         // above, float32 no longer tells the last times from 0
constexpr double kTimeShare = 0.999, kLeastTime = 1e-3;  // a velocity near t = 0 says nothing about the noise

// From x at time `from` along the velocity to time `to`, written as a mix of x and of the action where that line ends
// at t = 0: clipping needs that action, and the last step gives it without rounding.
void advance(std::span<const float> x, std::span<const float> velocity, double from, double to, bool clip,
             std::span<float> out) {
  for (std::size_t j = 0; j < x.size(); ++j) {
    double x0 = x[j] - from * velocity[j];
    if (clip) x0 = std::clamp(x0, -1.0, 1.0);
    out[j] = static_cast<float>(x0 + to / from * (x[j] - x0));
  }
}

}  // namespace

FlowRule parse_flow_rule(const std::string& name) {
  if (name == "euler") return FlowRule::euler;
  if (name == "midpoint") return FlowRule::midpoint;
  throw UserError(ErrorKind::usage, "flow rule", fmt::format("wanted a rule of integration, found \"{}\"", name),
                  "Use euler or midpoint.");
}

std::vector<double> flow_times(int steps, double power) {
  if (steps < 1 || steps > kMostSteps)
    throw UserError(ErrorKind::usage, "steps", fmt::format("wanted 1 to {} steps, found {}", kMostSteps, steps),
                    "Five steps are the default.");
  if (!(power >= 1 && power <= kMostPower))
    throw UserError(ErrorKind::usage, "power", fmt::format("wanted 1 to {}, found {}", kMostPower, power),
                    "1 spreads the times evenly, 2 is the default.");
  std::vector<double> times;
  // Each time from whole numbers: subtracting 1/K again and again would miss 0 and take a step too many or too few.
  for (int i = 0; i <= steps; ++i) times.push_back(std::pow(static_cast<double>(steps - i) / steps, power));
  return times;
}

double draw_flow_time(Rng& rng) {
  // Beta(1.5, 1) has the distribution function t^1.5.
  return kTimeShare * std::pow(rng.uniform(), 1 / 1.5) + kLeastTime;
}

void sample_flow(const Velocity& velocity, const std::vector<double>& times, const FlowOptions& options,
                 std::span<float> x, const StepObserver& observer) {
  CP_CHECK(times.size() >= 2 && times.front() <= 1 && times.back() == 0, "times must go from at most 1 to 0");
  for (std::size_t i = 1; i < times.size(); ++i) CP_CHECK(times[i] < times[i - 1], "times must fall strictly");
  std::vector<float> v(x.size()), middle(options.rule == FlowRule::midpoint ? x.size() : 0);
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const double from = times[i], to = times[i + 1];
    velocity(x, static_cast<float>(from), v);
    if (options.rule == FlowRule::midpoint) {
      const double half = (from + to) / 2;
      advance(x, v, from, half, options.clip_x0, middle);
      velocity(middle, static_cast<float>(half), v);
    }
    advance(x, v, from, to, options.clip_x0, x);
    if (observer) observer(static_cast<int>(i) + 1, x);
  }
}

}  // namespace cp
