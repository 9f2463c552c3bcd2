#pragma once
// In:  named scores of several systems on the same pairs.
// Out: {"value", "low", "high"} of each score in a report, and of the paired differences to the first system.
// Not here: the scores (evaluate.cpp).

#include <functional>
#include <string>
#include <vector>

#include "core/json.h"
#include "metrics/bootstrap.h"

namespace cp {

// A model or a blind floor.
struct ScoredSystem {
  std::string place;  // of its scores in the report, with dots: "blind.action"; empty: they are not written
  std::string delta;  // name under "delta" of (first system - this one); empty: none
  std::function<std::vector<double>(Picks)> scores;  // as many as there are keys
};

// {"value": v} or with "low" and "high".
OrderedJson estimate_json(const Estimate& estimate);

// The object at a place with dots ("caption.text.all"), made where it is missing.
OrderedJson& at_place(OrderedJson& report, const std::string& place);

// Scores all systems on the same resamples of `n` pairs. The first one's place also names the differences:
// delta.blind["action.sr_mask"]. Scores that are not defined (NaN) are left out.
void add_block(OrderedJson& report, std::size_t n, const std::vector<std::string>& keys,
               const std::vector<ScoredSystem>& systems, const BootstrapOptions& options);

}  // namespace cp
