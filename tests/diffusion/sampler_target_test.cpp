// Acceptance: with the exact score of a known one-dimensional target, all error is the sampler's. The figures are those
// of our own experiment with 20,000 samples of ten steps; Wasserstein-1 must be reached within kSlack.
#include <algorithm>
#include <cmath>

#include "diffusion/sampler.h"
#include "diffusion/schedule.h"
#include "support/exact_target.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::exact_denoiser;
using test::normal_noise;
using test::share_inside;
using test::share_positive;
using test::spread;
using test::Target1d;
using test::wasserstein;

constexpr double kSlack = 0.012;  // Monte Carlo error of W1 and of the experiment's figures with 20,000 samples (3 sd)
constexpr std::size_t kSamples = 20000;

const Target1d kNarrow{{1, 0.4, 0.05}};
const Target1d kTwoPlaces{{0.7, -0.5, 0.05}, {0.3, 0.6, 0.05}};
const Target1d kBinary{{0.2, -1, 1e-3}, {0.8, 1, 1e-3}};

std::vector<float> draw(const Target1d& target, ScheduleKind schedule, Spacing spacing, SamplerKind kind,
                        bool clip = true, int steps = 10, bool large = false, std::size_t count = kSamples) {
  const auto alphas = accumulated_alphas(schedule);
  Rng rng(11, Stream::test);
  auto x = normal_noise(rng, count);
  sample(exact_denoiser(target, alphas), alphas, respace(spacing, steps, alphas),
         {.kind = kind, .clip_x0 = clip, .large_variance = large}, rng, x);
  return x;
}

// The planted fault: the beta of the single timestep although about a hundred are skipped, in the eps form or in the
// form with a clipped x0.
std::vector<float> draw_naive(const Target1d& target, Spacing spacing, bool x0_form = false) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  const auto denoiser = exact_denoiser(target, alphas);
  Rng rng(11, Stream::test);
  auto x = normal_noise(rng, kSamples);
  std::vector<float> eps(x.size());
  for (const int t : respace(spacing, 10, alphas)) {
    const double a = alphas[static_cast<std::size_t>(t)];
    const double before = t == 0 ? 1 : alphas[static_cast<std::size_t>(t - 1)], beta = 1 - a / before;
    denoiser(x, t, eps);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double mean = (x[i] - beta / std::sqrt(1 - a) * eps[i]) / std::sqrt(1 - beta);
      if (x0_form) {
        const double x0 = std::clamp((x[i] - std::sqrt(1 - a) * eps[i]) / std::sqrt(a), -1.0, 1.0);
        mean = (std::sqrt(before) * beta * x0 + std::sqrt(1 - beta) * (1 - before) * x[i]) / (1 - a);
      }
      const double variance = x0_form ? beta * (1 - before) / (1 - a) : beta;
      x[i] = static_cast<float>(mean + (t > 0 ? std::sqrt(variance) * rng.normal() : 0));
    }
  }
  return x;
}

struct Row {
  const char* name;
  ScheduleKind schedule;
  Spacing spacing;
  SamplerKind kind;
  double narrow, two_places, inside, positive;  // W1, W1 and share within 3 sd, P(+1)
};
constexpr auto kLinear = ScheduleKind::linear, kCosine = ScheduleKind::squared_cosine;
const Row kTable[] = {
    {"ddpm leading", kLinear, Spacing::leading, SamplerKind::ddpm, 0.030, 0.096, 0.78, 0.845},
    {"ddpm trailing", kLinear, Spacing::trailing, SamplerKind::ddpm, 0.034, 0.096, 0.78, 0.842},
    {"ddim leading", kLinear, Spacing::leading, SamplerKind::ddim, 0.027, 0.080, 0.80, 0.815},
    {"ddim trailing", kLinear, Spacing::trailing, SamplerKind::ddim, 0.034, 0.084, 0.80, 0.818},
    {"dpmpp_2m trailing", kLinear, Spacing::trailing, SamplerKind::dpmpp_2m, 0.034, 0.068, 0.83, 0.803},
    {"cosine ddim leading", kCosine, Spacing::leading, SamplerKind::ddim, 0.024, 0.025, 0.97, 0.792},
    {"cosine ddim trailing", kCosine, Spacing::trailing, SamplerKind::ddim, 0.029, 0.029, 0.97, 0.816},
    {"cosine dpmpp_2m trailing", kCosine, Spacing::trailing, SamplerKind::dpmpp_2m, 0.029, 0.033, 0.98, 0.806},
};

TEST(ExactScore, EverySamplerReachesItsTabledDistance) {
  int visited = 0;
  for (const Row& row : kTable) {
    EXPECT_NEAR(wasserstein(draw(kNarrow, row.schedule, row.spacing, row.kind), kNarrow), row.narrow, kSlack)
        << row.name;
    const auto places = draw(kTwoPlaces, row.schedule, row.spacing, row.kind);
    EXPECT_NEAR(wasserstein(places, kTwoPlaces), row.two_places, kSlack) << row.name;
    EXPECT_NEAR(share_inside(places, kTwoPlaces), row.inside, 0.015) << row.name;  // tabled with two digits
    EXPECT_NEAR(share_positive(draw(kBinary, row.schedule, row.spacing, row.kind)), row.positive, kSlack) << row.name;
    ++visited;
  }
  EXPECT_EQ(visited, 8);
}

TEST(ExactScore, FindsThePerStepBetaFormula) {
  for (const Spacing spacing : {Spacing::leading, Spacing::trailing}) {
    EXPECT_GT(wasserstein(draw_naive(kNarrow, spacing), kNarrow), 0.7);
    EXPECT_GT(wasserstein(draw_naive(kTwoPlaces, spacing), kTwoPlaces), 0.4);
    EXPECT_LT(share_inside(draw_naive(kTwoPlaces, spacing), kTwoPlaces), 0.25);
    EXPECT_LT(share_positive(draw_naive(kBinary, spacing)), 0.6);
  }
  const auto clipped = draw_naive(kNarrow, Spacing::leading, true),
             places = draw_naive(kTwoPlaces, Spacing::leading, true);
  EXPECT_NEAR(spread(clipped), 0.70, 0.02) << "the x0 form with clipping is no cure";
  EXPECT_GT(wasserstein(clipped, kNarrow), 0.6);
  EXPECT_GT(wasserstein(places, kTwoPlaces), 0.3);
  EXPECT_LT(share_inside(places, kTwoPlaces), 0.25);
}

TEST(ExactScore, LargeVarianceIsFarTooWideWithFewSteps) {
  const auto x = draw(kNarrow, kLinear, Spacing::leading, SamplerKind::ddpm, true, 10, true);
  EXPECT_NEAR(spread(x), 0.303, kSlack);
  EXPECT_NEAR(wasserstein(x, kNarrow), 0.205, kSlack);
  EXPECT_NEAR(share_inside(draw(kTwoPlaces, kLinear, Spacing::leading, SamplerKind::ddpm, true, 10, true), kTwoPlaces),
              0.34, 0.015);
}

TEST(ExactScore, FullDdpmSamplesTheTarget) {
  const auto x = draw(kNarrow, kLinear, Spacing::leading, SamplerKind::ddpm, true, 1000, false, 2000);
  EXPECT_NEAR(spread(x), 0.046, 0.004);
  EXPECT_LT(wasserstein(x, kNarrow), 0.008);
  const auto places = draw(kTwoPlaces, kLinear, Spacing::leading, SamplerKind::ddpm, true, 1000, false, 2000);
  EXPECT_GT(share_inside(places, kTwoPlaces), 0.99);
  EXPECT_LT(wasserstein(places, kTwoPlaces), 0.04) << "2000 samples hit the weights of 0.7 and 0.3 within 0.03";
}

// Sampled sd / true sd of N(0, sd): the spread of samples is what a region is drawn from. Without clipping, as tabled.
constexpr double kSds[] = {0.02, 0.05, 0.10, 0.20, 0.40};
struct SpreadRow {
  ScheduleKind schedule;
  SamplerKind kind;
  Spacing spacing;
  int steps;
  double ratios[5];
};
const SpreadRow kSpreads[] = {
    {kLinear, SamplerKind::ddpm, Spacing::trailing, 10, {.06, .14, .27, .47, .64}},
    {kLinear, SamplerKind::ddim, Spacing::trailing, 10, {.06, .15, .28, .48, .70}},
    {kLinear, SamplerKind::dpmpp_2m, Spacing::trailing, 10, {.06, .15, .28, .51, .76}},
    {kLinear, SamplerKind::dpmpp_2m, Spacing::quadratic, 10, {.41, .70, .89, 1.02, 1.06}},
    {kLinear, SamplerKind::dpmpp_2m, Spacing::log_snr, 10, {.83, .93, .98, 1.03, 1.04}},
    {kLinear, SamplerKind::dpmpp_2m, Spacing::trailing, 100, {.42, .76, .93, 1.00, 1.00}},
    {kCosine, SamplerKind::ddpm, Spacing::trailing, 10, {.12, .28, .47, .65, .75}},
    {kCosine, SamplerKind::ddim, Spacing::trailing, 10, {.12, .28, .49, .71, .83}},
    {kCosine, SamplerKind::dpmpp_2m, Spacing::trailing, 10, {.12, .28, .50, .75, .93}},
    {kCosine, SamplerKind::dpmpp_2m, Spacing::quadratic, 10, {.59, .86, .99, 1.02, 1.05}},
    {kCosine, SamplerKind::dpmpp_2m, Spacing::log_snr, 10, {.80, .88, .94, .99, .98}},
    {kCosine, SamplerKind::dpmpp_2m, Spacing::trailing, 100, {.62, .91, .99, .99, .99}},
};

TEST(ExactScore, EverySamplerKeepsItsTabledSpread) {
  int visited = 0, far_from_trailing = 0;
  for (const SpreadRow& row : kSpreads)
    for (int i = 0; i < 5; ++i, ++visited) {
      const auto x = draw({{1, 0, kSds[i]}}, row.schedule, row.spacing, row.kind, false, row.steps, false, 8000);
      EXPECT_NEAR(spread(x) / kSds[i], row.ratios[i], 0.03) << "row " << visited / 5 << ", sd " << kSds[i];
      far_from_trailing += std::abs(row.ratios[i] - kSpreads[2].ratios[i]) > 0.1;
    }
  EXPECT_EQ(visited, 60);
  EXPECT_GE(far_from_trailing, 30) << "half the table tells one sampler's figures from another's";
}

TEST(ExactScore, RecommendedListsSeparateTwoPlaces) {
  struct Want {
    ScheduleKind schedule;
    Spacing spacing;
    double inside, distance;
  };
  int visited = 0;
  for (const Want& want :
       {Want{kLinear, Spacing::log_snr, 0.994, 0.030}, Want{kLinear, Spacing::quadratic, 0.994, 0.029},
        Want{kCosine, Spacing::quadratic, 0.999, 0.013}, Want{kCosine, Spacing::log_snr, 0.942, 0.087}}) {
    const auto x = draw(kTwoPlaces, want.schedule, want.spacing, SamplerKind::dpmpp_2m);
    EXPECT_NEAR(share_inside(x, kTwoPlaces), want.inside, 0.01) << visited;
    EXPECT_NEAR(wasserstein(x, kTwoPlaces), want.distance, kSlack) << visited;
    ++visited;
  }
  EXPECT_EQ(visited, 4);
}

// A list that ends ..., 111, 0 has a last gap of log-SNR over which the second order shoots past the places.
TEST(ExactScore, SecondOrderOvershootsOverAHugeLastGap) {
  const auto inside = [](Spacing spacing, SamplerKind kind) {
    return share_inside(draw(kTwoPlaces, kLinear, spacing, kind), kTwoPlaces);
  };
  EXPECT_NEAR(inside(Spacing::linspace, SamplerKind::dpmpp_2m), 0.22, 0.02);
  EXPECT_NEAR(inside(Spacing::leading, SamplerKind::dpmpp_2m), 0.27, 0.02);
  EXPECT_GT(inside(Spacing::linspace, SamplerKind::ddim), 0.7) << "the first order does not";
  EXPECT_GT(inside(Spacing::log_snr, SamplerKind::dpmpp_2m), 0.98);
}

// Clipping is right for targets in [-1, 1] and spoils others without a word.
TEST(ExactScore, ClippingNeedsATargetInsideTheBox) {
  const auto mean = [](double of, bool clip) {
    const auto x = draw({{1, of, 0.05}}, kLinear, Spacing::log_snr, SamplerKind::dpmpp_2m, clip, 10, false, 2000);
    double sum = 0;
    for (const float v : x) sum += v;
    return sum / 2000;
  };
  EXPECT_NEAR(mean(0.9, true), mean(0.9, false), 0.005);
  EXPECT_NEAR(mean(1.3, false), 1.3, 0.02);
  EXPECT_NEAR(mean(1.3, true), 1.0, 0.005) << "planted fault: a target that was scaled otherwise";
}

TEST(ExactScore, StartNoiseOfAnotherWidthIsFound) {
  const auto alphas = accumulated_alphas(kLinear);
  const auto ratio = [&](float width) {
    Rng rng(11, Stream::test);
    auto x = normal_noise(rng, 8000);
    for (float& v : x) v *= width;
    sample(exact_denoiser({{1, 0, 0.2}}, alphas), alphas, respace(Spacing::log_snr, 20, alphas), {.clip_x0 = false},
           rng, x);
    return spread(x) / 0.2;
  };
  EXPECT_NEAR(ratio(1), 1, 0.04);
  EXPECT_NEAR(ratio(0.5f), 0.5, 0.04) << "planted fault";
}

// A dimension that never changes in training (a flag of one value): fixed scaling, no division by its spread.
TEST(ExactScore, EverySamplerReachesAConstantDimension) {
  int visited = 0;
  for (const ScheduleKind schedule : {kLinear, kCosine})
    for (const SamplerKind kind : {SamplerKind::ddpm, SamplerKind::ddim, SamplerKind::dpmpp_2m})
      for (const Spacing spacing : {Spacing::trailing, Spacing::quadratic, Spacing::log_snr})
        for (const double value : {1.0, -1.0, 0.0}) {
          for (const float v : draw({{1, value, 0}}, schedule, spacing, kind, true, 10, false, 100))
            ASSERT_NEAR(v, value, 1e-4);  // x0 = (x - sigma eps) / signal in float32
          ++visited;
        }
  EXPECT_EQ(visited, 54);
}

}  // namespace
}  // namespace cp
