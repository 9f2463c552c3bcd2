// Acceptance of flow matching: with the exact velocity of a known one-dimensional target, all error is the sampler's.
// The figures are closed forms, or those of an independent simulation in NumPy with 200,000 samples.
#include <algorithm>
#include <cmath>

#include "diffusion/flow.h"
#include "support/exact_target.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::Target1d;

const Target1d kTwoPlaces{{0.7, -0.5, 0.05}, {0.3, 0.6, 0.05}};
const Target1d kBinary{{0.2, -1, 1e-3}, {0.8, 1, 1e-3}};
constexpr std::size_t kSamples = 8000;
constexpr double kSlack = 0.012;  // Monte Carlo error of W1 and of shares with 8000 samples (about 2.5 sd)

std::vector<float> draw(const Velocity& velocity, int steps, FlowOptions options, double power = 1,
                        std::size_t count = kSamples) {
  Rng rng(11, Stream::test);
  auto x = test::normal_noise(rng, count);
  sample_flow(velocity, flow_times(steps, power), options, x);
  return x;
}

// What K Euler steps make of N(0, sd): each multiplies x by 1 + (to - t) (t - (1 - t) sd^2) / (t^2 + (1 - t)^2 sd^2).
double euler_spread(double sd, int steps) {
  double product = 1;
  for (int i = 0; i < steps; ++i) {
    const double t = static_cast<double>(steps - i) / steps, s = 1 - t;
    product *= 1 - (t - s * sd * sd) / (t * t + s * s * sd * sd) / steps;
  }
  return product;
}

TEST(ExactVelocity, EulerStepsKeepTheSpreadOfTheClosedForm) {
  int visited = 0;
  for (const double sd : {0.02, 0.05, 0.1, 0.2, 0.4})
    for (const int steps : {2, 4, 10, 50}) {
      const auto x = draw(test::exact_velocity({{1, 0, sd}}), steps, {.rule = FlowRule::euler, .clip_x0 = false});
      // The start noise itself has a spread of 1.007: 8000 draws.
      EXPECT_NEAR(test::spread(x) / sd, euler_spread(sd, steps) / sd, 0.025) << sd << " " << steps;
      ++visited;
    }
  EXPECT_EQ(visited, 20);
  EXPECT_NEAR(euler_spread(0.02, 10) / 0.02, 0.18, 0.01) << "ten even steps lose most of a narrow target's spread";
}

TEST(ExactVelocity, ReachesItsTabledDistances) {
  struct Want {
    int steps;
    FlowRule rule;
    double power, distance, inside, positive;  // two places: W1, share within 3 sd; binary: P(+1)
  };
  const Want table[] = {
      {2, FlowRule::euler, 1, 0.295, 0.252, 0.901},     {4, FlowRule::euler, 1, 0.096, 0.776, 0.843},
      {10, FlowRule::euler, 1, 0.032, 0.991, 0.816},    {50, FlowRule::euler, 1, 0.005, 0.998, 0.802},
      {10, FlowRule::euler, 2, 0.025, 0.981, 0.824},    {2, FlowRule::midpoint, 1, 0.163, 0.432, 0.816},
      {5, FlowRule::midpoint, 1, 0.025, 0.967, 0.803},  {5, FlowRule::midpoint, 2, 0.007, 0.997, 0.805},
      {10, FlowRule::midpoint, 2, 0.001, 0.996, 0.801},
  };
  int visited = 0;
  for (const Want& want : table) {
    const auto x = draw(test::exact_velocity(kTwoPlaces), want.steps, {want.rule}, want.power);
    EXPECT_NEAR(test::wasserstein(x, kTwoPlaces), want.distance, kSlack) << want.steps;
    EXPECT_NEAR(test::share_inside(x, kTwoPlaces), want.inside, 0.015) << want.steps;
    EXPECT_NEAR(test::share_positive(draw(test::exact_velocity(kBinary), want.steps, {want.rule}, want.power)),
                want.positive, kSlack)
        << want.steps;
    ++visited;
  }
  EXPECT_EQ(visited, 9);
}

TEST(ExactVelocity, WithPlantedFaultsMissesTheTarget) {
  const Velocity exact = test::exact_velocity(kTwoPlaces);
  const auto distance = [&](const Velocity& velocity) {
    return test::wasserstein(draw(velocity, 10, {FlowRule::euler}, 1, 2000), kTwoPlaces);
  };
  EXPECT_LT(distance(exact), 0.05);
  EXPECT_GT(distance([&](std::span<const float> x, float t, std::span<float> v) {
              exact(x, t, v);
              for (float& value : v) value = -value;
            }),
            0.3)
      << "wrong direction";
  EXPECT_GT(distance([&](std::span<const float> x, float t, std::span<float> v) { exact(x, 1.01f - t, v); }), 0.15)
      << "time runs the wrong way";
}

// In one dimension the exact walk keeps the order of points, so it carries a quantile of the noise to the same quantile
// of the target. Halving the steps' length halves Euler's error and quarters the midpoint rule's.
TEST(ExactVelocity, ConvergesToTheExactMapWithTheOrderOfItsRule) {
  const Target1d target{{0.7, -0.5, 0.3}, {0.3, 0.6, 0.3}};
  const auto error = [&](FlowRule rule, int steps) {
    Rng rng(11, Stream::test);
    const auto noise = test::normal_noise(rng, 500);
    const auto x = draw(test::exact_velocity(target), steps, {.rule = rule, .clip_x0 = false}, 1, 500);
    double most = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      most = std::max(most, std::abs(test::cumulative(target, x[i]) - test::cumulative({{1, 0, 1}}, noise[i])));
    return most;
  };
  for (const auto& [rule, order] : {std::pair{FlowRule::euler, 1}, {FlowRule::midpoint, 2}}) {
    EXPECT_LT(error(rule, 80), 0.01);
    EXPECT_NEAR(std::log2(error(rule, 40) / error(rule, 80)), order, 0.2);
  }
}

TEST(ExactVelocity, TimesDenseNearTheActionKeepANarrowSpread) {
  const auto ratio = [](double sd, int steps, FlowRule rule, double power) {
    const auto x = draw(test::exact_velocity({{1, 0, sd}}), steps, {.rule = rule, .clip_x0 = false}, power);
    return test::spread(x) / sd;
  };
  // Ten evaluations of the network each.
  EXPECT_NEAR(ratio(0.02, 10, FlowRule::euler, 1), 0.18, 0.03);
  EXPECT_NEAR(ratio(0.02, 10, FlowRule::euler, 2), 0.69, 0.03);
  EXPECT_NEAR(ratio(0.02, 5, FlowRule::midpoint, 1), 0.27, 0.03);
  EXPECT_NEAR(ratio(0.02, 5, FlowRule::midpoint, 2), 0.88, 0.03);
  EXPECT_NEAR(ratio(0.05, 5, FlowRule::midpoint, 2), 0.96, 0.03);
}

// A dimension that never changes in training (a flag of one value): no statistics, no division by its spread.
TEST(ExactVelocity, ReachesAConstantDimension) {
  for (const FlowRule rule : {FlowRule::euler, FlowRule::midpoint}) {
    const auto x = draw(test::exact_velocity({{1, 1, 0}}), 10, {.rule = rule}, 1, 200);
    for (const float v : x) ASSERT_NEAR(v, 1, 1e-6);
  }
}

}  // namespace
}  // namespace cp
