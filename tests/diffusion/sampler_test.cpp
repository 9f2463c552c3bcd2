// Golden comparison with diffusers, and identities between the samplers.
#include "diffusion/sampler.h"

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "diffusion/schedule.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::close;
using test::throws_user_error;
using test::Tol;

constexpr std::size_t kDim = 3;

// The oracle's toy denoiser (tests/oracle/diffusion_schedulers.py): it takes 1.3 tanh(...) for x0.
Denoiser toy_denoiser(const std::vector<double>& alphas) {
  return [&alphas](std::span<const float> x, int t, std::span<float> eps) {
    const double a = alphas[static_cast<std::size_t>(t)];
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t d = i % kDim, rolled = i - d + (d + kDim - 1) % kDim;
      const double x0 = 1.3 * std::tanh(0.7 * x[i] - 0.4 * x[rolled] + 0.4 * static_cast<double>(d) + t / 1000.0);
      eps[i] = static_cast<float>((x[i] - std::sqrt(a) * x0) / std::sqrt(1 - a));
    }
  };
}

std::vector<float> start_noise(Rng& rng, std::size_t rows) {
  std::vector<float> x(rows * kDim);
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

enum class Fault { none, compact_index, other_variance, clip_x_instead, no_second_order };

std::vector<bool> golden_agreement(Fault fault) {
  const Json golden = read_json(test::golden("diffusion/schedulers.json"), ErrorKind::data);
  std::vector<bool> agrees;
  for (const Json& run : golden.at("runs")) {
    const auto alphas = accumulated_alphas(parse_schedule(run.at("schedule")));
    SamplerOptions options{parse_sampler(run.at("kind")), run.at("clip"), run.at("large"), run.at("eta")};
    Rng rng(run.at("seed"), Stream::test);
    std::vector<float> x = start_noise(rng, 4);
    EXPECT_TRUE(
        close("start", x, run.at("start").get<std::vector<float>>(), Tol::abs(1e-6, "float32 of equal doubles")));
    const auto timesteps = run.at("timesteps").get<std::vector<int>>();
    Denoiser denoiser = toy_denoiser(alphas);
    if (fault == Fault::compact_index)
      denoiser = [&, call = timesteps.size(), inner = denoiser](auto in, int, auto eps) mutable {
        inner(in, static_cast<int>(--call), eps);
      };
    if (fault == Fault::other_variance) options.large_variance = !options.large_variance;
    if (fault == Fault::clip_x_instead) options.clip_x0 = !options.clip_x0;
    if (fault == Fault::no_second_order && options.kind == SamplerKind::dpmpp_2m) options.kind = SamplerKind::ddim;
    sample(denoiser, alphas, timesteps, options, rng, x);
    const auto verdict = close("samples", x, run.at("samples").get<std::vector<float>>(),
                               Tol::abs(1e-5, "x and eps are float32, eps is divided by sqrt(A) >= 0.006"));
    if (fault == Fault::none) {
      EXPECT_TRUE(verdict) << run.at("kind") << " clip " << run.at("clip");
    }
    agrees.push_back(static_cast<bool>(verdict));
  }
  return agrees;
}

long wrong(Fault fault) {
  const auto agrees = golden_agreement(fault);
  return std::count(agrees.begin(), agrees.end(), false);
}

TEST(Samplers, EqualTheLibrarysSchedulers) { EXPECT_EQ(golden_agreement(Fault::none).size(), 32u); }

TEST(Samplers, AnObserverSeesEachStepAndChangesNothing) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  const std::vector<int> timesteps = {900, 500, 200, 20};
  std::vector<float> plain, watched;
  std::vector<int> seen;
  std::vector<float> last;
  for (std::vector<float>* x : {&plain, &watched}) {
    Rng rng(3, Stream::test);
    *x = start_noise(rng, 5);
    StepObserver observer;
    if (x == &watched)
      observer = [&](int done, std::span<const float> now) {
        seen.push_back(done);
        EXPECT_NE(std::vector<float>(now.begin(), now.end()), last);
        last.assign(now.begin(), now.end());
      };
    sample(toy_denoiser(alphas), alphas, timesteps, {}, rng, *x, observer);
  }
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(watched, plain);
  EXPECT_EQ(last, plain) << "the last step's samples are the answer";
}

TEST(Samplers, WithPlantedFaultsDifferFromTheLibrary) {
  EXPECT_EQ(wrong(Fault::compact_index), 32);
  EXPECT_EQ(wrong(Fault::other_variance), 12) << "every ddpm run, no other";
  EXPECT_GE(wrong(Fault::clip_x_instead), 20);
  EXPECT_EQ(wrong(Fault::no_second_order), 8) << "every dpmpp_2m run, no other";
}

struct Case {
  ScheduleKind schedule;
  Spacing spacing;
  bool clip;
};
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto schedule : {ScheduleKind::linear, ScheduleKind::squared_cosine})
    for (const auto spacing :
         {Spacing::leading, Spacing::trailing, Spacing::linspace, Spacing::quadratic, Spacing::log_snr})
      for (const bool clip : {true, false}) all.push_back({schedule, spacing, clip});
  return all;
}

std::vector<float> run(const Case& c, SamplerOptions options, std::uint64_t seed, int steps = 10) {
  const auto alphas = accumulated_alphas(c.schedule);
  options.clip_x0 = c.clip;
  Rng rng(seed, Stream::test);
  auto x = start_noise(rng, 6);
  sample(toy_denoiser(alphas), alphas, respace(c.spacing, steps, alphas), options, rng, x);
  return x;
}

TEST(Ddim, WithFullNoiseEqualsRespacedDdpmWithTheSmallVariance) {
  int visited = 0;
  for (const Case& c : cases()) {
    const auto ddim = run(c, {.kind = SamplerKind::ddim, .eta = 1}, 3);
    const auto ddpm = run(c, {.kind = SamplerKind::ddpm}, 3);
    EXPECT_TRUE(close("x", ddim, ddpm, Tol::abs(2e-5, "two forms of one sum, rounded to float32 each step")));
    EXPECT_FALSE(close("x", run(c, {.kind = SamplerKind::ddim, .eta = 0.9}, 3), ddpm, Tol::abs(2e-5, "planted fault")));
    ++visited;
  }
  EXPECT_EQ(visited, 20);
}

// With two steps the second goes to x0, so the first has no earlier x0 to extrapolate from: both steps are first order.
TEST(DpmSolver, OfFirstOrderEqualsDeterministicDdim) {
  int visited = 0;
  for (const Case& c : cases()) {
    const auto ddim = run(c, {.kind = SamplerKind::ddim}, 4, 2);
    EXPECT_TRUE(close("x", run(c, {.kind = SamplerKind::dpmpp_2m}, 4, 2), ddim, Tol::abs(2e-5, "float32 steps")));
    EXPECT_FALSE(close("x", run(c, {.kind = SamplerKind::dpmpp_2m}, 4, 3), run(c, {.kind = SamplerKind::ddim}, 4, 3),
                       Tol::abs(2e-5, "second order must show with three")))
        << visited;
    ++visited;
  }
  EXPECT_EQ(visited, 20);
}

// Plain DDPM (Ho et al. 2020, Algorithm 2) written with its own betas.
TEST(Ddpm, WithEveryStepKeptEqualsPlainDdpm) {
  const int train_steps = 50;
  const auto alphas = accumulated_alphas(ScheduleKind::linear, train_steps);
  const auto denoiser = toy_denoiser(alphas);
  Rng rng(5, Stream::test), plain_rng(5, Stream::test);
  auto x = start_noise(rng, 6), y = start_noise(plain_rng, 6);
  sample(denoiser, alphas, respace(Spacing::trailing, train_steps, alphas),
         {.kind = SamplerKind::ddpm, .clip_x0 = false, .large_variance = true}, rng, x);
  std::vector<float> eps(y.size());
  for (int t = train_steps - 1; t >= 0; --t) {
    const double beta = 20.0 * (1e-4 + t / 49.0 * (0.02 - 1e-4)), a = alphas[static_cast<std::size_t>(t)];
    denoiser(y, t, eps);
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double mean = (y[i] - beta / std::sqrt(1 - a) * eps[i]) / std::sqrt(1 - beta);
      y[i] = static_cast<float>(mean + (t > 0 ? std::sqrt(beta) * plain_rng.normal() : 0.0));
    }
  }
  EXPECT_TRUE(close("x", x, y, Tol::abs(2e-5, "two forms of one sum, rounded to float32 each step")));
}

// With x_c = sqrt(A_c) x0 the noise is 0 and every sampler's mean must be sqrt(A_p) x0. ddpm's draw is taken off again.
TEST(Samplers, CarryANoiselessPointAlongTheSignal) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  const std::vector<float> x0{0.7f, -0.3f, 1.0f};
  const auto on_signal = [&](int t) {
    std::vector<float> x(3);
    for (std::size_t i = 0; i < 3; ++i)
      x[i] = static_cast<float>(std::sqrt(alphas[static_cast<std::size_t>(t)]) * x0[i]);
    return x;
  };
  int visited = 0;
  for (const SamplerKind kind : {SamplerKind::ddpm, SamplerKind::ddim, SamplerKind::dpmpp_2m}) {
    std::vector<float> x = on_signal(900);
    Rng rng(1, Stream::test), same_rng(1, Stream::test);
    const Denoiser silent = [&](std::span<const float> in, int t, std::span<float> eps) {
      std::vector<float> got(in.begin(), in.end());
      if (kind == SamplerKind::ddpm && t == 500) {
        const double variance = (1 - alphas[900] / alphas[500]) * (1 - alphas[500]) / (1 - alphas[900]);
        for (float& v : got) v -= static_cast<float>(std::sqrt(variance) * same_rng.normal());
      }
      EXPECT_TRUE(close("x_t", got, on_signal(t), Tol::abs(1e-6, "float32")));
      std::fill(eps.begin(), eps.end(), 0.f);
      ++visited;
    };
    sample(silent, alphas, {900, 500}, {.kind = kind, .clip_x0 = false}, rng, x);
    if (kind != SamplerKind::ddpm) {
      EXPECT_TRUE(close("x0", x, x0, Tol::abs(2e-6, "float32 x divided by sqrt(A_500) = 0.28")));
    }
  }
  EXPECT_EQ(visited, 6);
}

TEST(Samplers, GiveABatchWhatTheyGiveItsRowsAlone) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  Rng noise(8, Stream::test);
  const auto start = start_noise(noise, 5);
  int visited = 0;
  for (const SamplerOptions& options :
       {SamplerOptions{SamplerKind::ddpm}, {SamplerKind::ddim}, {SamplerKind::ddim, true, false, 0.7}, {}}) {
    // Two steps: only the first draws noise, row by row, so single runs in order draw the same numbers.
    const bool draws = options.kind == SamplerKind::ddpm || options.eta > 0;
    const auto timesteps = respace(Spacing::trailing, draws ? 2 : 10, alphas);
    auto batch = start, rows = start;
    Rng rng(9, Stream::test), single_rng(9, Stream::test);
    sample(toy_denoiser(alphas), alphas, timesteps, options, rng, batch);
    for (std::size_t r = 0; r < 5; ++r, ++visited)
      sample(toy_denoiser(alphas), alphas, timesteps, options, single_rng, std::span(rows).subspan(r * kDim, kDim));
    EXPECT_TRUE(close("x", batch, rows, Tol::exact()));
  }
  EXPECT_EQ(visited, 20);
}

TEST(Samplers, GiveTheSameBytesForTheSameSeedAndOthersForAnother) {
  const Case c{ScheduleKind::linear, Spacing::log_snr, true};
  EXPECT_EQ(run(c, {.kind = SamplerKind::ddpm}, 1), run(c, {.kind = SamplerKind::ddpm}, 1));
  EXPECT_NE(run(c, {.kind = SamplerKind::ddpm}, 1), run(c, {.kind = SamplerKind::ddpm}, 2));
}

TEST(Samplers, PassTheOriginalTimestepsInOrder) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  std::vector<int> seen;
  std::vector<float> x(3, 0.5f);
  Rng rng(1, Stream::test);
  sample([&](auto, int t, auto eps) { seen.push_back(t), std::fill(eps.begin(), eps.end(), 0.f); }, alphas,
         {999, 409, 21}, {}, rng, x);
  EXPECT_EQ(seen, (std::vector<int>{999, 409, 21}));
}

TEST(Samplers, KeepClippedSamplesInsideTheBox) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  for (const SamplerKind kind : {SamplerKind::ddpm, SamplerKind::ddim, SamplerKind::dpmpp_2m}) {
    std::vector<float> x{30.f, -30.f, 0.f};
    Rng rng(1, Stream::test);
    sample([](auto, int, auto eps) { std::fill(eps.begin(), eps.end(), 0.f); }, alphas, {999, 500, 99}, {.kind = kind},
           rng, x);
    for (const float v : x) EXPECT_LE(std::abs(v), 1.f);
  }
}

TEST(Samplers, RefuseWrongArguments) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  std::vector<float> x(3);
  Rng rng(1, Stream::test);
  const auto call = [&](std::vector<int> timesteps, double eta) {
    sample([](auto, int, auto) {}, alphas, timesteps, {.eta = eta}, rng, x);
  };
  EXPECT_TRUE(throws_user_error([&] { call({1, 0}, 1.5); }, ErrorKind::usage, {"eta", "1.5"}));
  EXPECT_TRUE(throws_user_error([] { parse_sampler("euler"); }, ErrorKind::usage, {"euler", "dpmpp_2m"}));
  EXPECT_THROW(call({}, 0), BugError);
  EXPECT_THROW(call({1000, 5}, 0), BugError);
  EXPECT_THROW(call({5, 5}, 0), BugError);
}

}  // namespace
}  // namespace cp
