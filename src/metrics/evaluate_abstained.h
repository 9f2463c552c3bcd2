#pragma once
// In:  predictions, the scores of the points that are judged.
// Out: the part "abstained" of a report: how many answers abstain and why, and how good the points of the others are.
// Not here: when an answer abstains (runtime/abstain.h), the scores of all points (evaluate.cpp).

#include <vector>

#include "metrics/evaluate.h"

namespace cp {

// `judged` are the pairs that have a point to hit, `points` their scores in the same order.
void add_abstained(OrderedJson& report, const std::vector<Predicted>& predictions,
                   const std::vector<std::size_t>& judged, const std::vector<PointScore>& points,
                   const BootstrapOptions& options);

}  // namespace cp
