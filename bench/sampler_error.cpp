// How far samples of every schedule, sampler, spacing and number of steps lie from a known target when the network is
// perfect: the denoiser is the exact one of a mixture of Gaussians, so all error is the sampler's. Prints Markdown
// rows; docs/samplers.md holds those of interest and the defaults that follow.
#include <charconv>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "diffusion/schedule.h"
#include "support/exact_target.h"

namespace cp {
namespace {

using test::Target1d;

constexpr const char* kUsage = "bench_sampler_error [--samples 8000] [--seed 11]";
constexpr int kSteps[] = {5, 10, 20, 50, 100};
constexpr double kSds[] = {0.02, 0.05, 0.1, 0.2, 0.4};
const Target1d kBinary{{0.2, -1, 1e-3}, {0.8, 1, 1e-3}};

Target1d two_places(double sd) { return {{0.7, -0.5, sd}, {0.3, 0.6, sd}}; }

struct Settings {
  std::uint64_t samples = 8000, seed = 11;
};

Settings parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i], text = i + 1 < argc ? argv[++i] : "";
    std::uint64_t* to = flag == "--samples" ? &s.samples : flag == "--seed" ? &s.seed : nullptr;
    if (!to) throw UserError(ErrorKind::usage, flag, "wanted a flag of this program.", kUsage);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *to);
    if (error != std::errc() || end != text.data() + text.size() ||
        (to == &s.samples && (*to < 100 || *to > 1'000'000)))
      throw UserError(ErrorKind::usage, flag, "wanted a whole number (100 to 1000000 samples), found \"" + text + "\".",
                      kUsage);
  }
  return s;
}

// Draws samples of a target; with clipping as in an answer, or without.
using Draw = std::function<std::vector<float>(const Target1d& target, bool clip)>;

// Spreads without clipping (it would hide what the sampler does to a wide target); the rest with it, as in an answer.
void print_row(const std::string& name, const Draw& draw) {
  std::string spreads;
  for (const double sd : kSds)
    spreads += fmt::format("{}{:.2f}", spreads.empty() ? "" : " / ", test::spread(draw({{1, 0, sd}}, false)) / sd);
  std::string places;
  for (const double sd : {0.05, 0.03}) {
    const Target1d target = two_places(sd);
    const auto x = draw(target, true);
    std::vector<float> first;  // of the samples in the first mode, for the spread within it
    for (const float v : test::inside(x, target))
      if (v < 0) first.push_back(v);
    const double left = 1 - test::share_positive(x);
    places += fmt::format(" | {:.3f} / {:.3f} / {:.2f} / {:.2f}", test::share_inside(x, target),
                          test::wasserstein(x, target), first.size() < 2 ? 0.0 : test::spread(first) / sd, left);
  }
  fmt::print("| {} | {}{} | {:.3f} |\n", name, spreads, places, test::share_positive(draw(kBinary, true)));
  std::fflush(stdout);
}

void diffusion_rows(const Settings& s, const std::string& schedule) {
  const auto alphas = accumulated_alphas(parse_schedule(schedule));
  const std::pair<const char*, SamplerOptions> samplers[] = {
      {"ddpm", {.kind = SamplerKind::ddpm}},
      {"ddpm, large variance", {.kind = SamplerKind::ddpm, .large_variance = true}},
      {"ddim", {.kind = SamplerKind::ddim}},
      {"dpmpp_2m", {.kind = SamplerKind::dpmpp_2m}}};
  for (const auto& [sampler, options] : samplers)
    for (const char* spacing : {"leading", "trailing", "linspace", "quadratic", "log_snr"})
      for (const int steps : kSteps) {
        const auto timesteps = respace(parse_spacing(spacing), steps, alphas);
        print_row(fmt::format("{} | {} | {} | {}", schedule, sampler, spacing, steps),
                  [&, &how = options](const Target1d& target, bool clip) {
                    Rng rng(s.seed, Stream::test);
                    auto x = test::normal_noise(rng, s.samples);
                    SamplerOptions clipped = how;
                    clipped.clip_x0 = clip;
                    sample(test::exact_denoiser(target, alphas), alphas, timesteps, clipped, rng, x);
                    return x;
                  });
      }
}

void flow_rows(const Settings& s, const std::string& rule) {
  for (const double power : {1.0, 2.0, 3.0})
    for (const int steps : kSteps)
      print_row(fmt::format("flow | {} | power {} | {}", rule, power, steps), [&](const Target1d& target, bool clip) {
        Rng rng(s.seed, Stream::test);
        auto x = test::normal_noise(rng, s.samples);
        sample_flow(test::exact_velocity(target), flow_times(steps, power),
                    {.rule = parse_flow_rule(rule), .clip_x0 = clip}, x);
        return x;
      });
}

void run(const Settings& s) {
  fmt::print(
      "{} samples, seed {}. Spread: sd of samples / true sd of N(0, sd), no clipping, sd .02 / .05 / .1 / .2 / .4.\n"
      "Two places (-0.5 with 0.7, 0.6 with 0.3, both of the sd said): share within 3 sd (0.997 is right) / W1 / "
      "spread\n"
      "within the first place / share left of 0 (0.70 is right). Binary: P(+1) (0.8 is right).\n\n"
      "| schedule | sampler | spacing | steps | spread | two places, sd .05 | two places, sd .03 | binary |\n"
      "|---|---|---|---|---|---|---|---|\n",
      s.samples, s.seed);
  for (const char* schedule : {"linear", "squared_cosine"}) diffusion_rows(s, schedule);
  for (const char* rule : {"euler", "midpoint"}) flow_rows(s, rule);
}

}  // namespace
}  // namespace cp

int main(int argc, char** argv) {
  try {
    cp::run(cp::parse(argc, argv));
    return 0;
  } catch (const cp::UserError& error) {
    std::fprintf(stderr, "bench_sampler_error: %s\n", error.what());
    return static_cast<int>(error.kind());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_sampler_error: %s\n", error.what());
    return 1;
  }
}
