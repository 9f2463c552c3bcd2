#pragma once
// In:  change map logits of a pair that is changed, and the modes of the action head's samples.
// Out: the changes, ranked: where the samples point first, then what only the map shows (docs/nano.md, section 6).
// Not here: the flag that says whether a pair is changed (session.h), components of a mask (data/components.h).

#include <span>
#include <vector>

#include "data/geometry.h"
#include "runtime/modes.h"

namespace cp {

// Places are fractions of the image extent.
struct Change {
  double x = 0, y = 0;  // the heaviest mode; without one the centre of the cell where the smoothed probability peaks
  double mass = 0;      // share of the samples that point here, 0 to 1
  double area = 0;      // sum of the component's probabilities as a share of the image; 0 without a component
  Box box;              // of the component; without one of the samples
  int cells = 0;        // of the component
};

// Cells with q >= min(0.5, max q / 2), 4-connected: the cells of each component, in the order of their first cell.
// `q` (side side) probabilities.
std::vector<std::vector<int>> change_components(const std::vector<double>& q, int side);

// Components alone: `map` (side side) logits, cells with q >= min(0.5, max q / 2), 4-connected; mass 0, largest area
// first. Equal areas by first cell, row-major.
std::vector<Change> find_changes(std::span<const float> map);

// Modes with the component that holds them, or the nearest one within 2 cells (equally near: the larger), by falling
// mass; modes of one component are one change. Then the components without a mode, by area. `samples` (N 3) are those
// of the modes.
std::vector<Change> rank_changes(const std::vector<Mode>& modes, std::span<const float> samples,
                                 std::span<const float> map);

}  // namespace cp
