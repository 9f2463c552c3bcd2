#pragma once
// In:  change map logits of a pair that is changed.
// Out: the changes, largest first (docs/nano.md, section 6).
// Not here: the flag that says whether a pair is changed (session.h), components of a mask (data/components.h).

#include <span>
#include <vector>

#include "data/geometry.h"

namespace cp {

// Places are fractions of the image extent.
struct Change {
  double x = 0, y = 0;  // centre of the cell where the smoothed probability peaks
  double mass = 0;      // sum of probabilities over its cells
  Box box;
  int cells = 0;
};

// Cells with q >= min(0.5, max q / 2), 4-connected: the cells of each component, in the order of their first cell.
// `q` (side side) probabilities.
std::vector<std::vector<int>> change_components(const std::vector<double>& q, int side);

// `map` (side side) logits. Cells with q >= min(0.5, max q / 2), 4-connected. Equal masses by first cell, row-major.
std::vector<Change> find_changes(std::span<const float> map);

}  // namespace cp
