// Faults of published samplers, planted one at a time in a small DDIM and DDPM written for this test: without a fault
// it must equal the sampler, with each it must not, and where a fault hides the test says so.
#include <algorithm>
#include <bit>
#include <cmath>

#include "diffusion/sampler.h"
#include "diffusion/schedule.h"
#include "support/exact_target.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

enum class Fault {
  none,
  stride,          // the previous timestep is t - T / K, whatever the list says
  clipped_state,   // x_t is clipped in place of x0
  first_alpha,     // the last step goes to A_0 in place of 1
  noise_at_end,    // DDPM: noise in the last step too
  rounded_alphas,  // A in bfloat16
  rounded_steps,   // the network is told t in bfloat16
  rounded_state,   // x in bfloat16
};

double to_bfloat16(double value) {
  auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  bits += 0x7FFF + ((bits >> 16) & 1);  // to the nearest, ties to even
  return std::bit_cast<float>(bits & 0xFFFF0000u);
}

// Something smooth that takes x and t and leaves [-1, 1] at places.
void guess_x0(std::span<const float> x, double t, std::span<double> x0) {
  for (std::size_t i = 0; i < x.size(); ++i)
    x0[i] = 1.3 * std::sin(1.2 * x[i] + 0.4 * static_cast<double>(i % 3) + t / 300);
}

Denoiser denoiser(const std::vector<double>& alphas) {
  return [&alphas](std::span<const float> x, int t, std::span<float> eps) {
    const double a = alphas[static_cast<std::size_t>(t)];
    std::vector<double> x0(x.size());
    guess_x0(x, t, x0);
    for (std::size_t i = 0; i < x.size(); ++i)
      eps[i] = static_cast<float>((x[i] - std::sqrt(a) * x0[i]) / std::sqrt(1 - a));
  };
}

// The states after each step.
std::vector<float> by_hand(Fault fault, SamplerKind kind, const std::vector<double>& alphas,
                           const std::vector<int>& timesteps, Rng& rng, std::vector<float> x) {
  const int stride = 1000 / static_cast<int>(timesteps.size());
  const auto alpha = [&](int t) {
    const double a = alphas[static_cast<std::size_t>(t)];
    return fault == Fault::rounded_alphas ? to_bfloat16(a) : a;
  };
  std::vector<double> guess(x.size());
  std::vector<float> states;
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    const bool last = i + 1 == timesteps.size();
    const int t = timesteps[i], next = last ? -1 : fault == Fault::stride ? t - stride : timesteps[i + 1];
    const double a = alpha(t), a_next = next >= 0 ? alpha(next) : fault == Fault::first_alpha ? alpha(0) : 1;
    guess_x0(x, fault == Fault::rounded_steps ? to_bfloat16(t) : t, guess);
    for (std::size_t j = 0; j < x.size(); ++j) {
      const double x0 = fault == Fault::clipped_state ? guess[j] : std::clamp(guess[j], -1.0, 1.0);
      const double eps = (x[j] - std::sqrt(a) * x0) / std::sqrt(1 - a);
      double to = std::sqrt(a_next) * x0 + std::sqrt(1 - a_next) * eps;
      if (kind == SamplerKind::ddpm) {
        const double beta = 1 - a / a_next;
        const double variance = last && fault == Fault::noise_at_end ? beta : beta * (1 - a_next) / (1 - a);
        to = (std::sqrt(a_next) * beta * x0 + std::sqrt(1 - beta) * (1 - a_next) * x[j]) / (1 - a) +
             (variance > 0 ? std::sqrt(variance) * rng.normal() : 0);
      }
      if (fault == Fault::clipped_state) to = std::clamp(to, -1.0, 1.0);
      x[j] = static_cast<float>(fault == Fault::rounded_state ? to_bfloat16(to) : to);
    }
    states.insert(states.end(), x.begin(), x.end());
  }
  return states;
}

bool agrees(Fault fault, SamplerKind kind, ScheduleKind schedule, const std::vector<int>& timesteps) {
  const auto alphas = accumulated_alphas(schedule);
  Rng rng(21, Stream::test), same(21, Stream::test);
  auto x = test::normal_noise(rng, 12), start = test::normal_noise(same, 12);
  std::vector<float> states;
  sample(denoiser(alphas), alphas, timesteps, {.kind = kind}, rng, x,
         [&](int, std::span<const float> now) { states.insert(states.end(), now.begin(), now.end()); });
  const auto want = by_hand(fault, kind, alphas, timesteps, same, start);
  return static_cast<bool>(
      close("states", states, want, Tol::abs(3e-5, "x and eps are float32, x0 is divided by sqrt(A)")));
}

std::vector<int> list(Spacing spacing) { return respace(spacing, 10, accumulated_alphas(ScheduleKind::linear)); }

// Not from 999 for the cosine schedule: there sqrt(A) = 5e-5 turns float32's rounding of eps into whole units of x0.
const std::vector<int> kUneven{900, 809, 639, 489, 359, 249, 159, 89, 39, 9};

TEST(PlantedFaults, AreFoundInEitherSamplerAndSchedule) {
  int visited = 0;
  for (const ScheduleKind schedule : {ScheduleKind::linear, ScheduleKind::squared_cosine})
    for (const SamplerKind kind : {SamplerKind::ddpm, SamplerKind::ddim}) {
      EXPECT_TRUE(agrees(Fault::none, kind, schedule, kUneven));
      for (const Fault fault : {Fault::stride, Fault::clipped_state, Fault::rounded_alphas, Fault::rounded_steps,
                                Fault::rounded_state, Fault::first_alpha})
        EXPECT_FALSE(agrees(fault, kind, schedule, kUneven)) << static_cast<int>(fault);
      EXPECT_EQ(agrees(Fault::noise_at_end, kind, schedule, kUneven), kind == SamplerKind::ddim) << "ddim has no noise";
      visited += 8;
    }
  EXPECT_EQ(visited, 32);
}

TEST(PlantedFaults, AStrideInPlaceOfTheListHidesWhenTheListIsEven) {
  for (const SamplerKind kind : {SamplerKind::ddpm, SamplerKind::ddim}) {
    EXPECT_TRUE(agrees(Fault::stride, kind, ScheduleKind::linear, list(Spacing::leading)));
    EXPECT_FALSE(agrees(Fault::stride, kind, ScheduleKind::linear, list(Spacing::linspace))) << "gaps of 111, not 100";
    EXPECT_TRUE(agrees(Fault::none, kind, ScheduleKind::linear, list(Spacing::linspace)));
  }
}

TEST(Samplers, NeverClipTheStateItself) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  std::vector<float> x{40.f, -40.f, 0.f};  // far outside: a clipped state could not be told apart near the box
  Rng rng(1, Stream::test);
  float widest = 0;
  sample([](auto in, int, auto eps) { std::copy(in.begin(), in.end(), eps.begin()); }, alphas, list(Spacing::quadratic),
         {.kind = SamplerKind::ddim}, rng, x,
         [&](int done, std::span<const float> now) {
           if (done == 1) widest = std::abs(now[0]);
         });
  EXPECT_GT(widest, 5) << "heads that clip x_t stay frozen at the bound";
  for (const float v : x) EXPECT_LE(std::abs(v), 1);
}

// Why schedule, timestep and state are float32 or better (bfloat16 has eight bits of precision).
TEST(Bfloat16, CannotHoldAScheduleOrItsTimesteps) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  int ones = 0;
  while (to_bfloat16(alphas[static_cast<std::size_t>(ones)]) == 1) ++ones;
  EXPECT_EQ(ones, 10) << "no noise in the first ten timesteps";
  EXPECT_LT(static_cast<float>(alphas[0]), 1.f) << "float32 holds them";
  int distinct = 0;
  double before = -1, worst = 0;
  for (int t = 0; t < 1000; ++t) {
    const double rounded = to_bfloat16(t);
    distinct += rounded != before;
    before = rounded;
    worst = std::max(worst, std::abs(std::sin(rounded) - std::sin(t)));
  }
  EXPECT_EQ(distinct, 507);
  EXPECT_NEAR(worst, 1.7, 0.1) << "of sin(t), the embedding's fastest number";
}

}  // namespace
}  // namespace cp
