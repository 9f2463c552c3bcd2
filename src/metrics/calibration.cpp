#include "metrics/calibration.h"

#include <algorithm>
#include <cmath>

#include "metrics/ratio.h"

namespace cp {

Reliability reliability(std::span<const FlagPair> pairs, Picks picks) {
  Reliability bins;
  const auto count = static_cast<double>(kReliabilityBins);
  for (std::size_t b = 0; b < kReliabilityBins; ++b)
    bins[b].from = static_cast<double>(b) / count, bins[b].to = static_cast<double>(b + 1) / count;
  for (const std::size_t pick : picks) {
    const FlagPair& pair = pairs[pick];
    ReliabilityBin& bin = bins[static_cast<std::size_t>(std::clamp(pair.p * count, 0.0, count - 1))];
    ++bin.n;
    bin.mean_p += pair.p;
    bin.share_changed += pair.truth;
  }
  for (ReliabilityBin& bin : bins) {
    bin.mean_p = ratio(bin.mean_p, bin.n);
    bin.share_changed = ratio(bin.share_changed, bin.n);
  }
  return bins;
}

double expected_calibration_error(const Reliability& bins) {
  double sum = 0;
  int n = 0;
  for (const ReliabilityBin& bin : bins) {
    if (bin.n == 0) continue;
    n += bin.n;
    sum += bin.n * std::abs(bin.share_changed - bin.mean_p);
  }
  return ratio(sum, n);
}

FlagScores flag_scores(std::span<const FlagPair> pairs, Picks picks) {
  double right = 0, true_positive = 0, said = 0, changed = 0, brier = 0;
  for (const std::size_t pick : picks) {
    const FlagPair& pair = pairs[pick];
    right += pair.truth == pair.said;
    true_positive += pair.truth == 1 && pair.said == 1;
    said += pair.said == 1;
    changed += pair.truth == 1;
    brier += (pair.p - pair.truth) * (pair.p - pair.truth);
  }
  const auto n = static_cast<double>(picks.size());
  FlagScores scores;
  scores.accuracy = ratio(right, n);
  scores.precision = ratio(true_positive, said);
  scores.recall = ratio(true_positive, changed);
  scores.f1 = ratio(2 * true_positive, said + changed);
  scores.false_alarms_per_100 = ratio(100 * (said - true_positive), n - changed);
  scores.brier = ratio(brier, n);
  scores.ece = expected_calibration_error(reliability(pairs, picks));
  return scores;
}

}  // namespace cp
