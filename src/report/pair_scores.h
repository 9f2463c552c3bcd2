#pragma once
// In:  one line of predictions.jsonl.
// Out: the scores that a pair has by itself, so that two runs can be compared pair by pair.
// Not here: scores of a whole corpus (metrics.json), the comparison (compare.h, ablation_tables.h).

#include <optional>
#include <span>
#include <string_view>

#include "report/results.h"

namespace cp {

struct PairScore {
  const char *english, *chinese;
  int decimals;
  bool lower_is_better;
  std::optional<double> (*of)(const ReportedPair& pair);
  const char* path;  // of the score in metrics.json that is the mean of this one over the pairs; "" where none is
};

std::span<const PairScore> pair_scores();

// The one whose mean stands at `path` ("action.sr_mask"); nullptr when there is none.
const PairScore* pair_score_at(std::string_view path);

}  // namespace cp
