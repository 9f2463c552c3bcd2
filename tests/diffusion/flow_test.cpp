// Flow matching: golden comparison with diffusers' Euler scheduler and NumPy's midpoint rule, times, training times.
#include "diffusion/flow.h"

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "support/exact_target.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::close;
using test::throws_user_error;
using test::Tol;

constexpr std::size_t kDim = 3;

// The oracle's toy velocity (tests/oracle/diffusion_flow.py): away from the action it takes 1.3 tanh(...) for.
void toy_velocity(std::span<const float> x, float t, std::span<float> v) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t d = i % kDim, rolled = i - d + (d + kDim - 1) % kDim;
    const double action = 1.3 * std::tanh(0.7 * x[i] - 0.4 * x[rolled] + 0.4 * static_cast<double>(d) + t);
    v[i] = static_cast<float>((x[i] - action) / t);
  }
}

enum class Fault { none, direction, reversed_time, time_of_the_end, no_clip, other_rule, past_the_end };

Velocity faulty_velocity(Fault fault, const std::vector<double>& times) {
  return [=, call = std::size_t{0}](std::span<const float> x, float t, std::span<float> v) mutable {
    ++call;
    if (fault == Fault::reversed_time) t = std::max(1e-3f, 1 - t);
    if (fault == Fault::time_of_the_end)
      t = std::max(1e-3f, static_cast<float>(times[std::min(call, times.size() - 1)]));
    toy_velocity(x, t, v);
    if (fault == Fault::direction)
      for (float& value : v) value = -value;
  };
}

// Runs that differ from the golden samples: the sampler's own must not, those with a planted fault must.
long wrong(Fault fault) {
  const Json golden = read_json(test::golden("diffusion/flow.json"), ErrorKind::data);
  long count = 0, visited = 0;
  for (const Json& run : golden.at("runs")) {
    Rng rng(run.at("seed"), Stream::test);
    std::vector<float> x = test::normal_noise(rng, 4 * kDim);
    EXPECT_TRUE(
        close("start", x, run.at("start").get<std::vector<float>>(), Tol::abs(1e-6, "float32 of equal doubles")));
    auto times = run.at("times").get<std::vector<double>>();
    if (run.at("steps").is_number()) {
      EXPECT_TRUE(close("times", flow_times(run.at("steps"), 1), times, Tol::abs(1e-7, "the library keeps float32")));
      times = flow_times(run.at("steps"), 1);
    }
    FlowOptions options{parse_flow_rule(run.at("rule")), run.at("clip")};
    if (fault == Fault::no_clip) options.clip_x0 = !options.clip_x0;
    if (fault == Fault::other_rule)
      options.rule = options.rule == FlowRule::euler ? FlowRule::midpoint : FlowRule::euler;
    sample_flow(faulty_velocity(fault, times), times, options, x);
    if (fault == Fault::past_the_end) {  // one more step of the same length, as a guard of `t > 0` can let through
      std::vector<float> v(x.size());
      toy_velocity(x, 1e-3f, v);
      const double length = times[times.size() - 2];
      for (std::size_t i = 0; i < x.size(); ++i) x[i] -= static_cast<float>(length * v[i]);
    }
    const auto verdict = close("samples", x, run.at("samples").get<std::vector<float>>(),
                               Tol::abs(1e-5, "x and v are float32, v is divided by t >= 0.001 and multiplied by it"));
    if (fault == Fault::none) {
      EXPECT_TRUE(verdict) << run.at("rule") << " " << run.at("steps") << " clip " << run.at("clip");
    }
    count += !verdict;
    ++visited;
  }
  EXPECT_EQ(visited, 16);
  return count;
}

TEST(Flow, EqualsTheLibrarysSchedulerAndTheMidpointRule) { EXPECT_EQ(wrong(Fault::none), 0); }

TEST(Flow, WithPlantedFaultsDiffersFromTheLibrary) {
  EXPECT_EQ(wrong(Fault::direction), 16);
  EXPECT_EQ(wrong(Fault::reversed_time), 16);
  EXPECT_EQ(wrong(Fault::time_of_the_end), 16);
  EXPECT_EQ(wrong(Fault::no_clip), 16);
  EXPECT_EQ(wrong(Fault::other_rule), 16);
  EXPECT_EQ(wrong(Fault::past_the_end), 16);
}

TEST(FlowTimes, AreExactFromOneToZero) {
  int visited = 0;
  for (int steps = 1; steps <= 1000; ++steps)
    for (const double power : {1.0, 2.0, 4.0}) {
      const auto times = flow_times(steps, power);
      ASSERT_EQ(times.size(), static_cast<std::size_t>(steps) + 1);
      EXPECT_EQ(times.front(), 1.0);
      EXPECT_EQ(times.back(), 0.0);
      for (std::size_t i = 1; i < times.size(); ++i) ASSERT_LT(times[i], times[i - 1]);
      ++visited;
    }
  EXPECT_EQ(visited, 3000);
  EXPECT_EQ(flow_times(4, 1), (std::vector<double>{1, 0.75, 0.5, 0.25, 0}));
  EXPECT_EQ(flow_times(), flow_times(5, 2)) << "the measured default";
  EXPECT_EQ(flow_times(4, 2), (std::vector<double>{1, 0.5625, 0.25, 0.0625, 0}));
}

// The planted fault: walking by repeated subtraction. With ten steps it does not land on 0 and takes an eleventh.
TEST(FlowTimes, BySubtractionWouldTakeAStepTooMany) {
  const auto count = [](int steps) {
    int taken = 0;
    for (double t = 1; t > 0; t -= 1.0 / steps) ++taken;
    return taken;
  };
  EXPECT_EQ(count(10), 11);
  EXPECT_EQ(count(4), 4) << "exact in binary, so the fault hides";
  std::vector<int> seen;
  std::vector<float> x(kDim, 0.5f);
  sample_flow(toy_velocity, flow_times(10, 1), {FlowRule::euler}, x,
              [&](int done, std::span<const float>) { seen.push_back(done); });
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST(Flow, AsksForTheVelocityAtEveryTimeAboveZero) {
  std::vector<float> euler, midpoint, x(kDim, 0.5f);
  for (const FlowRule rule : {FlowRule::euler, FlowRule::midpoint})
    sample_flow(
        [&](std::span<const float>, float t, std::span<float> v) {
          (rule == FlowRule::euler ? euler : midpoint).push_back(t);
          std::fill(v.begin(), v.end(), 0.f);
        },
        flow_times(4, 1), {.rule = rule}, x);
  EXPECT_EQ(euler, (std::vector<float>{1, 0.75f, 0.5f, 0.25f}));
  EXPECT_EQ(midpoint, (std::vector<float>{1, 0.875f, 0.75f, 0.625f, 0.5f, 0.375f, 0.25f, 0.125f}));
}

// With one action the velocity is constant along a line, and any number of steps of either rule walks it exactly.
TEST(Flow, WalksAStraightLineToItsEnd) {
  const std::vector<float> action{0.7f, -0.3f, 1.f};
  int visited = 0;
  for (const FlowRule rule : {FlowRule::euler, FlowRule::midpoint})
    for (const int steps : {1, 3, 10, 50}) {
      std::vector<float> x{1.9f, -0.4f, -2.2f};
      const std::vector<float> noise = x;
      const auto times = flow_times(steps, 1);
      sample_flow(
          [&](std::span<const float>, float, std::span<float> v) {
            for (std::size_t i = 0; i < v.size(); ++i) v[i] = noise[i] - action[i];
          },
          times, {.rule = rule}, x,
          [&](int done, std::span<const float> now) {
            const auto t = static_cast<float>(times[static_cast<std::size_t>(done)]);
            for (std::size_t i = 0; i < kDim; ++i)
              EXPECT_NEAR(now[i], t * noise[i] + (1 - t) * action[i], 1e-6 * (1 + done)) << "float32 each step";
            ++visited;
          });
    }
  EXPECT_EQ(visited, 2 * 64);
}

TEST(Flow, KeepsClippedSamplesInsideTheBoxAndOthersNot) {
  for (const FlowRule rule : {FlowRule::euler, FlowRule::midpoint})
    for (const bool clip : {true, false}) {
      std::vector<float> x{30.f, -30.f, 0.f};
      bool outside_before_the_end = false;
      sample_flow([](auto, float, auto v) { std::fill(v.begin(), v.end(), 2.f); }, flow_times(5, 1),
                  {.rule = rule, .clip_x0 = clip}, x,
                  [&](int done, std::span<const float> now) { outside_before_the_end |= done < 5 && now[0] > 1; });
      EXPECT_TRUE(outside_before_the_end) << "x itself is never clipped";
      if (clip)
        EXPECT_EQ(x, (std::vector<float>{1, -1, -1}));
      else
        EXPECT_TRUE(close("x", x, std::vector<float>{28, -32, -2}, Tol::abs(1e-5, "float32 each step")));
    }
}

TEST(Flow, GivesABatchWhatItGivesItsRowsAlone) {
  Rng rng(8, Stream::test);
  const auto start = test::normal_noise(rng, 5 * kDim);
  for (const FlowRule rule : {FlowRule::euler, FlowRule::midpoint}) {
    auto batch = start, rows = start, again = start;
    sample_flow(toy_velocity, flow_times(10, 1), {.rule = rule}, batch);
    sample_flow(toy_velocity, flow_times(10, 1), {.rule = rule}, again);
    for (std::size_t r = 0; r < 5; ++r)
      sample_flow(toy_velocity, flow_times(10, 1), {.rule = rule}, std::span(rows).subspan(r * kDim, kDim));
    EXPECT_TRUE(close("x", batch, rows, Tol::exact()));
    EXPECT_EQ(batch, again);
    EXPECT_NE(batch, start);
  }
}

// Kolmogorov-Smirnov distance of draws from the distribution function ((t - 0.001) / 0.999)^exponent.
double distance_from(double exponent) {
  Rng rng(4, Stream::test);
  std::vector<double> t(20000);
  for (double& value : t) value = draw_flow_time(rng);
  std::sort(t.begin(), t.end());
  EXPECT_GE(t.front(), 0.001);
  EXPECT_LE(t.back(), 1.0);
  double most = 0;
  for (std::size_t i = 0; i < t.size(); ++i)
    most = std::max(most, std::abs(std::pow((t[i] - 0.001) / 0.999, exponent) - (i + 0.5) / 20000.0));
  return most;
}

TEST(FlowTime, FollowsTheBetaDistribution) {
  EXPECT_LT(distance_from(1.5), 0.0115) << "1.63 / sqrt(n): exceeded once in a hundred seeds";
  EXPECT_GT(distance_from(1.0), 0.05) << "planted fault: even times";
  EXPECT_GT(distance_from(1 / 1.5), 0.05) << "planted fault: mass near the action";
}

TEST(FlowTime, HasTheMeanAndVarianceOfTheBetaDistribution) {
  Rng rng(5, Stream::test);
  double sum = 0, squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double t = draw_flow_time(rng);
    sum += t, squares += t * t;
  }
  const double mean = sum / 20000, variance = squares / 20000 - mean * mean;
  EXPECT_NEAR(mean, 0.999 * 1.5 / 2.5 + 0.001, 0.006) << "3 sd of a mean of 20000";
  EXPECT_NEAR(variance, 0.999 * 0.999 * 1.5 / (2.5 * 2.5 * 3.5), 0.002);
}

TEST(Flow, RefusesWrongArguments) {
  std::vector<float> x(3);
  const auto call = [&](std::vector<double> times) { sample_flow(toy_velocity, times, {}, x); };
  EXPECT_TRUE(throws_user_error([] { flow_times(0); }, ErrorKind::usage, {"steps", "found 0"}));
  EXPECT_TRUE(throws_user_error([] { flow_times(1001); }, ErrorKind::usage, {"1 to 1000", "1001"}));
  EXPECT_TRUE(throws_user_error([] { flow_times(5, 0.5); }, ErrorKind::usage, {"power", "0.5"}));
  EXPECT_TRUE(throws_user_error([] { flow_times(5, std::nan("")); }, ErrorKind::usage, {"power", "nan"}));
  EXPECT_TRUE(throws_user_error([] { parse_flow_rule("heun"); }, ErrorKind::usage, {"heun", "midpoint"}));
  EXPECT_THROW(call({}), BugError);
  EXPECT_THROW(call({1}), BugError);
  EXPECT_THROW(call({1, 0.5}), BugError) << "does not end at the action";
  EXPECT_THROW(call({1.5, 0}), BugError);
  EXPECT_THROW(call({1, 1, 0}), BugError);
  EXPECT_THROW(call({std::nan(""), 0}), BugError);
}

}  // namespace
}  // namespace cp
