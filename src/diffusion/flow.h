#pragma once
// In:  a velocity (any callable), a falling list of times, start noise; for training a random generator.
// Out: samples of the clean vector by flow matching, and training times. The same noise gives the same bytes.
// Not here: the network behind the velocity; diffusion by a noise schedule (sampler.h).
//
// x_t = t noise + (1 - t) action for 0 <= t <= 1, so the velocity dx/dt that a network learns is noise - action. A
// sample walks from the noise at t = 1 down to the action at t = 0.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/rng.h"
#include "diffusion/sampler.h"

namespace cp {

enum class FlowRule { euler, midpoint };
FlowRule parse_flow_rule(const std::string& name);  // "euler", "midpoint"; throws UserError(usage)

struct FlowOptions {
  FlowRule rule = FlowRule::midpoint;  // asks for the velocity twice a step; euler once
  bool clip_x0 = true;                 // the action x - t v where a step's straight line ends, to [-1, 1]
};

// Given x_t (N D) and t in (0, 1], writes the predicted noise - action (N D).
using Velocity = std::function<void(std::span<const float> x, float t, std::span<float> v)>;

// The K + 1 times of K steps, ((K - i) / K)^power: exactly 1 first, exactly 0 last. power 1 is the published even list;
// above 1 it is denser near the action, which narrow targets need (docs/samplers.md). Throws UserError(usage) unless
// 1 <= steps <= 1000 and 1 <= power <= 4.
std::vector<double> flow_times(int steps = 5, double power = 2);

// 0.999 Beta(1.5, 1) + 0.001, by the inverse of its distribution function, so in [0.001, 1]: most of the mass lies at
// high noise.
double draw_flow_time(Rng& rng);

// `x` (N D) holds the start noise and becomes the samples. `times` falls strictly from at most 1 to exactly 0, one step
// between neighbours. x is float32 between steps. `observer` as in sampler.h.
void sample_flow(const Velocity& velocity, const std::vector<double>& times, const FlowOptions& options,
                 std::span<float> x, const StepObserver& observer = {});

}  // namespace cp
