#pragma once
// In:  the scores of each pair alone.
// Out: which pairs to look at: failures and successes, chosen by rule.
// Not here: drawing them (report/).

#include <vector>

#include "metrics/evaluate.h"

namespace cp {

// What became of a pair. A contradictory pair is neither right nor wrong.
enum class Outcome {
  missed,       // changed, called unchanged
  false_alarm,  // unchanged, called changed
  off_mask,     // changed and called so, the point is on no changed pixel
  on_mask,      // changed and called so, the point is on a changed pixel
  quiet,        // unchanged and called so
  not_judged,   // contradictory, or changed without a mark in the mask and called so
};
Outcome outcome_of(const Truth& truth, const Predicted& predicted, const PairScores& scores);

// At most `count` different pairs, in the order of the set. Half of them (rounded up) are failures, taken in turn from
// the missed (the lowest p_zoom first), the false alarms (the highest first) and the points off the mask (the largest
// error first); half are successes, in turn from the points on the mask (the smallest region at the highest level
// first, the surest) and the quiet ones (the lowest p_zoom first). Where one half has too few, the other fills up.
// Equals in the order of the set.
std::vector<std::size_t> choose_examples(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions,
                                         const std::vector<PairScores>& scores, std::size_t count);

}  // namespace cp
