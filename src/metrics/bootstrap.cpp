#include "metrics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace cp {
namespace {

constexpr double kTail = 0.025;

void draw(std::vector<std::size_t>& picks, std::uint64_t seed, int resample) {
  Rng rng(seed, Stream::bootstrap, 0, static_cast<std::uint64_t>(resample));
  for (std::size_t& pick : picks) pick = static_cast<std::size_t>(rng.below(picks.size()));
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
  std::vector<std::size_t> picks(n);
  std::iota(picks.begin(), picks.end(), std::size_t{0});
  std::vector<Estimate> estimates;
  for (const double value : scores(picks)) estimates.push_back({value, {}});
  if (n < 2 || options.resamples < 1) return estimates;

  std::vector<std::vector<double>> seen(estimates.size());
  for (int resample = 0; resample < options.resamples; ++resample) {
    draw(picks, options.seed, resample);
    const std::vector<double> drawn = scores(picks);
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
