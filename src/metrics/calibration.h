#pragma once
// In:  change flags that were said, their probabilities, and the truth.
// Out: how often the flag is right, and whether the probabilities are.
// Not here: intervals (bootstrap.h), fitting probabilities (learn/calibrate.h).

#include <array>
#include <span>

#include "metrics/bootstrap.h"

namespace cp {

inline constexpr std::size_t kReliabilityBins = 10;

struct FlagPair {
  int truth = 0, said = 0;  // 1 = changed
  double p = 0;             // probability of a change, 0 to 1
};

// NaN where there is nothing to divide by. "changed" is the positive class.
struct FlagScores {
  double accuracy = 0;              // share of pairs whose flag is right
  double precision = 0;             // share of the pairs called changed that are
  double recall = 0;                // share of the changed pairs that are called changed
  double f1 = 0;                    // 2 TP / (2 TP + FP + FN)
  double false_alarms_per_100 = 0;  // unchanged pairs that are called changed, a hundred unchanged pairs
  double brier = 0;                 // mean (p - truth)^2 (Brier 1950)
  double ece = 0;                   // sum over bins of n_b / n |share changed - mean p| (Naeini et al. 2015)
};

// One of ten bins of equal width; the last holds p = 1. NaN means in an empty one.
struct ReliabilityBin {
  double from = 0, to = 0;
  int n = 0;
  double mean_p = 0, share_changed = 0;
};
using Reliability = std::array<ReliabilityBin, kReliabilityBins>;

FlagScores flag_scores(std::span<const FlagPair> pairs, Picks picks);
Reliability reliability(std::span<const FlagPair> pairs, Picks picks);
double expected_calibration_error(const Reliability& bins);  // NaN when all are empty

}  // namespace cp
