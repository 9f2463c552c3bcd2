// The closed form of the posterior mean against sums over every cell and both actions, written from Bayes' rule.
#include "runtime/places.h"

#include <cmath>

#include "diffusion/sampler.h"
#include "diffusion/schedule.h"
#include "runtime/evidence.h"
#include "support/test_support.h"

namespace cp {
namespace {

struct Mixture {
  std::vector<float> evidence;
  double spread = 0.05, logit = 0.7, action_spread = 0.2;
  Places places() const { return Places(evidence, spread, logit, action_spread); }
};

Mixture random_mixture(int side, std::uint64_t seed, double scale) {
  Rng rng(seed, Stream::test);
  Mixture m;
  for (int i = 0; i < side * side; ++i) m.evidence.push_back(static_cast<float>(scale * rng.normal()));
  return m;
}

// E[clean | noisy = x] by Bayes' rule: for each component (cell and action) its probability given x times its own
// posterior mean. `pull` is the exponent of the component's gain; 1 is right.
std::vector<double> by_bayes(const Mixture& m, const float* x, double alpha, double sigma, double pull = 1) {
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(m.evidence.size()))));
  const auto given = [&](double seen, double centre, double sd, double& likelihood) {
    const double variance = alpha * alpha * sd * sd + sigma * sigma, off = seen - alpha * centre;
    likelihood = std::exp(-off * off / (2 * variance));
    return centre + std::pow(alpha, pull) * sd * sd / variance * off;
  };
  double total = 0, u = 0, v = 0;
  for (int cell = 0; cell < side * side; ++cell) {
    double in_x = 0, in_y = 0;
    const double mean_x = given(x[0], (2.0 * (cell % side) + 1) / side - 1, m.spread, in_x);
    const double mean_y = given(x[1], (2.0 * (cell / side) + 1) / side - 1, m.spread, in_y);
    const double w = std::exp(static_cast<double>(m.evidence[static_cast<std::size_t>(cell)])) * in_x * in_y;
    total += w, u += w * mean_x, v += w * mean_y;
  }
  double yes = 0, no = 0;
  const double up = given(x[2], 1, m.action_spread, yes), down = given(x[2], -1, m.action_spread, no);
  const double p = 1 / (1 + std::exp(-m.logit));
  return {u / total, v / total, (p * yes * up + (1 - p) * no * down) / (p * yes + (1 - p) * no)};
}

TEST(Places, PosteriorMeanEqualsBayesRule) {
  int visited = 0;
  bool fault_seen = false;
  for (const double alpha : {0.05, 0.4, 0.8, 0.99})
    for (const double scale : {0.5, 4.0}) {
      const Mixture m = random_mixture(8, 3, scale);
      const double sigma = std::sqrt(1 - alpha * alpha);
      Rng rng(9, Stream::test);
      for (int i = 0; i < 20; ++i, ++visited) {
        float x[3], got[3];
        for (float& value : x) value = static_cast<float>(rng.uniform(-1.3, 1.3));
        m.places().clean(x, alpha, sigma, got);
        const std::vector<double> want = by_bayes(m, x, alpha, sigma), fault = by_bayes(m, x, alpha, sigma, 0);
        for (std::size_t k = 0; k < 3; ++k) {
          EXPECT_NEAR(got[k], want[k], 2e-6) << "float32 weights, sums in double";
          fault_seen = fault_seen || std::abs(got[k] - fault[k]) > 1e-4;
        }
      }
    }
  EXPECT_EQ(visited, 160);
  EXPECT_TRUE(fault_seen) << "a gain without alpha must be told apart";
}

TEST(Places, StaysFiniteWhereTheEvidenceIsFarAway) {
  Mixture m;
  m.evidence.assign(64 * 64, -1000.f);
  m.evidence[0] = 1000.f;
  m.spread = 0.01;
  const float x[3] = {0.99f, 0.99f, 40.f};  // the other corner
  float got[3];
  m.places().clean(x, 0.99995, 0.01, got);
  for (const float value : got) EXPECT_TRUE(std::isfinite(value));
  m.places().clean(x, 0.0064, 1, got);  // nearly all noise: the evidence alone decides
  EXPECT_NEAR(got[0], cell_centre(0, 64), 1e-3);
}

TEST(Places, DrawsHaveTheMixturesMeanAndShares) {
  Mixture m;
  m.evidence.assign(16 * 16, -40.f);
  m.evidence[16 * 3 + 4] = std::log(0.7f);
  m.evidence[16 * 12 + 10] = std::log(0.3f);
  m.logit = std::log(0.8 / 0.2);
  Rng rng(4, Stream::test);
  constexpr int kDraws = 20000;
  int first = 0, zoom = 0;
  double mean[3] = {};
  const Places places = m.places();
  for (int i = 0; i < kDraws; ++i) {
    float a[3];
    places.draw(rng, a);
    first += a[1] < 0;
    zoom += a[2] > 0;
    for (int k = 0; k < 3; ++k) mean[k] += a[k] / static_cast<double>(kDraws);
  }
  const double share_error = 4 * std::sqrt(0.25 / kDraws);  // four standard deviations of a share
  EXPECT_NEAR(first / static_cast<double>(kDraws), 0.7, share_error);
  EXPECT_NEAR(zoom / static_cast<double>(kDraws), 0.8, share_error);
  float exact[3];
  places.mean(exact);
  EXPECT_NEAR(mean[0], exact[0], 0.02);
  EXPECT_NEAR(mean[1], exact[1], 0.02);
}

// The samplers with this exact score give the mixture back: the default setting on two narrow places.
TEST(Places, SamplingWithTheClosedFormGivesTheMixture) {
  Mixture m;
  m.evidence.assign(64 * 64, -50.f);
  m.evidence[64 * 16 + 16] = std::log(0.6f);
  m.evidence[64 * 50 + 40] = std::log(0.4f);
  m.spread = 0.04;
  const Places places = m.places();
  const std::vector<double> alphas = accumulated_alphas(ScheduleKind::linear);
  Rng rng(1, Stream::test);
  std::vector<float> x(3 * 2000);
  for (float& v : x) v = static_cast<float>(rng.normal());
  const Denoiser denoiser = [&](std::span<const float> in, int t, std::span<float> eps) {
    const double a = alphas[static_cast<std::size_t>(t)];
    places.clean(in, std::sqrt(a), std::sqrt(1 - a), eps);
    for (std::size_t i = 0; i < in.size(); ++i)
      eps[i] = static_cast<float>((in[i] - std::sqrt(a) * eps[i]) / std::sqrt(1 - a));
  };
  sample(denoiser, alphas, respace(Spacing::quadratic, 10, alphas), {}, rng, x);
  int near = 0, first = 0;
  for (std::size_t i = 0; i < x.size(); i += 3) {
    const auto at = [&](int row, int column) {
      return std::hypot(x[i] - cell_centre(column, 64), x[i + 1] - cell_centre(row, 64)) < 4 * m.spread;
    };
    near += at(16, 16) || at(50, 40);
    first += at(16, 16);
  }
  EXPECT_GT(near / 2000.0, 0.97);  // ten steps leave a few samples between (docs/samplers.md)
  EXPECT_NEAR(first / static_cast<double>(near), 0.6, 0.05);
}

TEST(Evidence, ComponentPlanesByHand) {
  std::vector<float> map(64 * 64, -20.f);
  for (int row = 10; row < 14; ++row)
    for (int column = 20; column < 24; ++column) map[static_cast<std::size_t>(row * 64 + column)] = 20.f;
  map[50 * 64 + 7] = 20.f;
  const std::vector<float> p = component_planes(map);
  const std::size_t plane = 64 * 64, inside = 11 * 64 + 21, small = 50 * 64 + 7;
  EXPECT_NEAR(p[inside], 1, 1e-6);
  EXPECT_NEAR(p[small], 1.0 / 16, 1e-6);
  EXPECT_EQ(p[0], 0);
  EXPECT_NEAR(p[plane + small], 1.0 / 16, 1e-6) << "its own centre";
  EXPECT_NEAR(p[plane + inside], std::exp(-(0.5 * 0.5 + 0.5 * 0.5) / 8), 1e-6) << "half a cell from the box's centre";
  EXPECT_NEAR(p[2 * plane + inside], std::log1p(16 / 4.0) / 5, 1e-6);
}

}  // namespace
}  // namespace cp
