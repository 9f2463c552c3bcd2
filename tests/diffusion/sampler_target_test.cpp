// Acceptance: with the exact score of a known one-dimensional target, all error is the sampler's. The figures are those
// of our own experiment with 20,000 samples of ten steps; Wasserstein-1 must be reached within kSlack.
#include <algorithm>
#include <cmath>

#include "diffusion/sampler.h"
#include "diffusion/schedule.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr double kSlack = 0.012;  // Monte Carlo error of W1 and of the experiment's figures with 20,000 samples (3 sd)
constexpr std::size_t kSamples = 20000;

struct Mode {
  double weight, mean, sd;
};
using Target1d = std::vector<Mode>;
const Target1d kNarrow{{1, 0.4, 0.05}};
const Target1d kTwoPlaces{{0.7, -0.5, 0.05}, {0.3, 0.6, 0.05}};
const Target1d kBinary{{0.2, -1, 1e-3}, {0.8, 1, 1e-3}};

// eps = -sqrt(1 - A) d/dx ln p_t(x) of the mixture after noising: mode k becomes N(sqrt(A) m_k, A s_k^2 + 1 - A).
Denoiser exact_denoiser(const Target1d& target, const std::vector<double>& alphas) {
  return [&](std::span<const float> x, int t, std::span<float> eps) {
    const double a = alphas[static_cast<std::size_t>(t)], signal = std::sqrt(a);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double largest = -1e300, total = 0, pull = 0;
      for (const Mode& mode : target) {
        const double variance = a * mode.sd * mode.sd + 1 - a, d = x[i] - signal * mode.mean;
        largest = std::max(largest, std::log(mode.weight) - 0.5 * std::log(variance) - 0.5 * d * d / variance);
      }
      for (const Mode& mode : target) {
        const double variance = a * mode.sd * mode.sd + 1 - a, d = x[i] - signal * mode.mean;
        const double w = std::exp(std::log(mode.weight) - 0.5 * std::log(variance) - 0.5 * d * d / variance - largest);
        total += w;
        pull += w * d / variance;
      }
      eps[i] = static_cast<float>(std::sqrt(1 - a) * pull / total);
    }
  };
}

double cumulative(const Target1d& target, double x) {
  double sum = 0;
  for (const Mode& mode : target) sum += mode.weight * 0.5 * std::erfc((mode.mean - x) / (mode.sd * std::sqrt(2.0)));
  return sum;
}

// W1 = integral of |F_samples - F_target|.
double wasserstein(std::vector<float> samples, const Target1d& target) {
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

double spread(const std::vector<float>& x) {
  double sum = 0, squares = 0;
  for (const float v : x) sum += v, squares += static_cast<double>(v) * v;
  const double n = static_cast<double>(x.size());
  return std::sqrt(squares / n - sum / n * sum / n);
}

double share_positive(const std::vector<float>& x) {
  return static_cast<double>(std::count_if(x.begin(), x.end(), [](float v) { return v > 0; })) /
         static_cast<double>(x.size());
}

std::vector<float> start(Rng& rng, std::size_t count) {
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

std::vector<float> draw(const Target1d& target, ScheduleKind schedule, Spacing spacing, SamplerKind kind,
                        bool clip = true, int steps = 10, bool large = false, std::size_t count = kSamples) {
  const auto alphas = accumulated_alphas(schedule);
  Rng rng(11, Stream::test);
  auto x = start(rng, count);
  sample(exact_denoiser(target, alphas), alphas, respace(spacing, steps, alphas),
         {.kind = kind, .clip_x0 = clip, .large_variance = large}, rng, x);
  return x;
}

// The planted fault: the eps form with the beta of the single timestep although about a hundred are skipped.
std::vector<float> draw_naive(const Target1d& target, Spacing spacing) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  const auto denoiser = exact_denoiser(target, alphas);
  Rng rng(11, Stream::test);
  auto x = start(rng, kSamples);
  std::vector<float> eps(x.size());
  for (const int t : respace(spacing, 10, alphas)) {
    const double a = alphas[static_cast<std::size_t>(t)];
    const double beta = t == 0 ? 1 - a : 1 - a / alphas[static_cast<std::size_t>(t - 1)];
    denoiser(x, t, eps);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>((x[i] - beta / std::sqrt(1 - a) * eps[i]) / std::sqrt(1 - beta) +
                                (t > 0 ? std::sqrt(beta) * rng.normal() : 0));
  }
  return x;
}

struct Row {
  const char* name;
  ScheduleKind schedule;
  Spacing spacing;
  SamplerKind kind;
  double narrow, two_places, positive;  // W1, W1, P(+1)
};
constexpr auto kLinear = ScheduleKind::linear, kCosine = ScheduleKind::squared_cosine;
const Row kTable[] = {
    {"ddpm leading", kLinear, Spacing::leading, SamplerKind::ddpm, 0.030, 0.096, 0.845},
    {"ddpm trailing", kLinear, Spacing::trailing, SamplerKind::ddpm, 0.034, 0.096, 0.842},
    {"ddim leading", kLinear, Spacing::leading, SamplerKind::ddim, 0.027, 0.080, 0.815},
    {"ddim trailing", kLinear, Spacing::trailing, SamplerKind::ddim, 0.034, 0.084, 0.818},
    {"dpmpp_2m trailing", kLinear, Spacing::trailing, SamplerKind::dpmpp_2m, 0.034, 0.068, 0.803},
    {"cosine ddim leading", kCosine, Spacing::leading, SamplerKind::ddim, 0.024, 0.025, 0.792},
    {"cosine ddim trailing", kCosine, Spacing::trailing, SamplerKind::ddim, 0.029, 0.029, 0.816},
    {"cosine dpmpp_2m trailing", kCosine, Spacing::trailing, SamplerKind::dpmpp_2m, 0.029, 0.033, 0.806},
};

TEST(ExactScore, EverySamplerReachesItsTabledDistance) {
  int visited = 0;
  for (const Row& row : kTable) {
    EXPECT_NEAR(wasserstein(draw(kNarrow, row.schedule, row.spacing, row.kind), kNarrow), row.narrow, kSlack)
        << row.name;
    EXPECT_NEAR(wasserstein(draw(kTwoPlaces, row.schedule, row.spacing, row.kind), kTwoPlaces), row.two_places, kSlack)
        << row.name;
    EXPECT_NEAR(share_positive(draw(kBinary, row.schedule, row.spacing, row.kind)), row.positive, kSlack) << row.name;
    ++visited;
  }
  EXPECT_EQ(visited, 8);
}

TEST(ExactScore, FindsThePerStepBetaFormula) {
  for (const Spacing spacing : {Spacing::leading, Spacing::trailing}) {
    EXPECT_GT(wasserstein(draw_naive(kNarrow, spacing), kNarrow), 0.7);
    EXPECT_GT(wasserstein(draw_naive(kTwoPlaces, spacing), kTwoPlaces), 0.4);
    EXPECT_LT(share_positive(draw_naive(kBinary, spacing)), 0.6);
  }
}

TEST(ExactScore, LargeVarianceIsFarTooWideWithFewSteps) {
  const auto x = draw(kNarrow, kLinear, Spacing::leading, SamplerKind::ddpm, true, 10, true);
  EXPECT_NEAR(spread(x), 0.303, kSlack);
  EXPECT_NEAR(wasserstein(x, kNarrow), 0.205, kSlack);
}

TEST(ExactScore, FullDdpmSamplesTheTarget) {
  const auto x = draw(kNarrow, kLinear, Spacing::leading, SamplerKind::ddpm, true, 1000, false, 2000);
  EXPECT_NEAR(spread(x), 0.046, 0.004);
  EXPECT_LT(wasserstein(x, kNarrow), 0.008);
}

// The recommended ten steps: the spread of samples is what a region is drawn from. Without clipping, as tabled.
TEST(ExactScore, RecommendedListsKeepTheSpread) {
  struct Want {
    double sd, even, quadratic, log_snr;  // spread ratio of dpmpp_2m, linear schedule
  };
  int visited = 0;
  for (const Want& want : {Want{0.02, 0.06, 0.41, 0.83}, Want{0.05, 0.15, 0.70, 0.93}, Want{0.10, 0.28, 0.89, 0.98},
                           Want{0.20, 0.51, 1.02, 1.03}, Want{0.40, 0.76, 1.06, 1.04}}) {
    const Target1d target{{1, 0.0, want.sd}};
    const auto ratio = [&](Spacing spacing) {
      return spread(draw(target, kLinear, spacing, SamplerKind::dpmpp_2m, false)) / want.sd;
    };
    EXPECT_NEAR(ratio(Spacing::trailing), want.even, 0.03);
    EXPECT_NEAR(ratio(Spacing::quadratic), want.quadratic, 0.03);
    EXPECT_NEAR(ratio(Spacing::log_snr), want.log_snr, 0.03);
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(ExactScore, RecommendedListsSeparateTwoPlaces) {
  EXPECT_NEAR(wasserstein(draw(kTwoPlaces, kLinear, Spacing::log_snr, SamplerKind::dpmpp_2m), kTwoPlaces), 0.030,
              kSlack);
  EXPECT_NEAR(wasserstein(draw(kTwoPlaces, kLinear, Spacing::quadratic, SamplerKind::dpmpp_2m), kTwoPlaces), 0.029,
              kSlack);
  EXPECT_NEAR(wasserstein(draw(kTwoPlaces, kCosine, Spacing::quadratic, SamplerKind::dpmpp_2m), kTwoPlaces), 0.013,
              kSlack);
}

}  // namespace
}  // namespace cp
