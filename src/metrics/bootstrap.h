#pragma once
// In:  a number of pairs, and a function that scores any choice of them.
// Out: each score of all pairs with its 95 % percentile interval over resamples of the pairs.
// Not here: the scores. Two systems are compared by scoring both, and their difference, in one function: the picks are
//           then the same.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace cp {

using Picks = std::span<const std::size_t>;  // indices of pairs, repeats allowed

struct Interval {
  double low = 0, high = 0;
};

struct Estimate {
  double value = 0;                  // of all pairs, each once; NaN: not defined for them
  std::optional<Interval> interval;  // none with fewer than two pairs, or where no resample has the score
};

struct BootstrapOptions {
  int resamples = 1000;  // 0: no intervals
  std::uint64_t seed = 0;
};

// The q-quantile (0 to 1) of values that are not empty, linear between order statistics (numpy's default; type 7 of
// Hyndman and Fan, 1996).
double quantile(std::vector<double> values, double q);

// `scores(picks)` gives always the same number of scores; NaN is "not defined for these picks" (no false alarms without
// an unchanged pair) and such a resample is left out of that score's interval. Resample r of n pairs draws n of them
// with replacement from the counter-based generator (seed, r): the same for every score and every machine.
// Percentile interval (Efron and Tibshirani 1993, section 13.3): the 2.5 % and 97.5 % quantiles, widened to hold the
// value where they leave it out, which happens with scores that resampling pushes to one side (calibration error).
std::vector<Estimate> bootstrap(std::size_t n, const std::function<std::vector<double>(Picks)>& scores,
                                const BootstrapOptions& options = {});

// The same for scores that hang on two crossed things, n pairs and m training runs: each resample draws pairs and,
// independently, runs (the pigeonhole bootstrap; Owen 2007, "The pigeonhole bootstrap"), so that the interval holds
// both spreads. With one run it is bootstrap(n, ...) to the bit. No interval with fewer than two pairs.
std::vector<Estimate> bootstrap_crossed(std::size_t n, std::size_t m,
                                        const std::function<std::vector<double>(Picks pairs, Picks runs)>& scores,
                                        const BootstrapOptions& options = {});

}  // namespace cp
