#pragma once
// In:  truths, predictions, protocols.
// Out: the part "caption" of a report: all pairs, changed half, unchanged half, with floors and differences.
// Not here: the scores (caption_sums.h), the other parts (evaluate.cpp).

#include <vector>

#include "metrics/evaluate.h"

namespace cp {

// Also fills the caption scores of `pairs`, by the first protocol. Each half has the document frequencies of its own
// references. CIDEr, and S*m with it, are absent where all pairs of a half have the same references: every weight is
// log 1 then, and a perfect caption would score 0.
void add_captions(OrderedJson& report, const std::vector<Truth>& truths, const std::vector<Predicted>& predictions,
                  const EvaluateOptions& options, std::vector<PairScores>& pairs);

}  // namespace cp
