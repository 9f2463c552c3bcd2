#include "metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace cp {
namespace {

constexpr double kTail = 0.025;

void draw(std::vector<std::size_t>& picks, std::uint64_t seed, std::uint32_t axis, int resample) {
  Rng rng(seed, Stream::bootstrap, axis, static_cast<std::uint64_t>(resample));
  for (std::size_t& pick : picks) pick = static_cast<std::size_t>(rng.below(picks.size()));
}

std::vector<std::size_t> each_once(std::size_t n) {
  std::vector<std::size_t> picks(n);
  std::iota(picks.begin(), picks.end(), std::size_t{0});
  return picks;
}

}  // namespace

double quantile(std::vector<double> values, double q) {
  CP_CHECK(!values.empty() && q >= 0 && q <= 1, "quantile: of nothing, or outside 0 to 1");
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), middle, values.end());
  const double low = *middle;
  if (below + 1 == values.size()) return low;
  const double high = *std::min_element(middle + 1, values.end());
  return low + (high - low) * (place - static_cast<double>(below));
}

std::vector<Estimate> bootstrap(std::size_t n, const std::function<std::vector<double>(Picks)>& scores,
                                const BootstrapOptions& options) {
  return bootstrap_crossed(
      n, 1, [&](Picks pairs, Picks) { return scores(pairs); }, options);
}

std::vector<Estimate> bootstrap_crossed(std::size_t n, std::size_t m,
                                        const std::function<std::vector<double>(Picks pairs, Picks runs)>& scores,
                                        const BootstrapOptions& options) {
  std::vector<std::size_t> pairs = each_once(n), runs = each_once(m);
  std::vector<Estimate> estimates;
  for (const double value : scores(pairs, runs)) estimates.push_back({value, {}});
  if (n < 2 || m < 1 || options.resamples < 1) return estimates;

  std::vector<std::vector<double>> seen(estimates.size());
  for (int resample = 0; resample < options.resamples; ++resample) {
    draw(pairs, options.seed, 0, resample);
    if (m > 1) draw(runs, options.seed, 1, resample);
    const std::vector<double> drawn = scores(pairs, runs);
    CP_CHECK(drawn.size() == estimates.size(), "bootstrap: the number of scores changed");
    for (std::size_t i = 0; i < drawn.size(); ++i)
      if (std::isfinite(drawn[i])) seen[i].push_back(drawn[i]);
  }
  for (std::size_t i = 0; i < estimates.size(); ++i) {
    const double value = estimates[i].value;
    if (seen[i].empty() || !std::isfinite(value)) continue;
    estimates[i].interval =
        Interval{std::min(value, quantile(seen[i], kTail)), std::max(value, quantile(seen[i], 1 - kTail))};
  }
  return estimates;
}

}  // namespace cp
