#pragma once
// In:  change map logits, a calibrated threshold.
// Out: the region that holds the true target with the promised probability (docs/nano.md, section 6).
// Not here: which threshold gives which probability (the trainer calibrates it with region_score on scenes it held
// out).

#include <span>
#include <vector>

#include "data/geometry.h"

namespace cp {

struct Region {
  double level = 0;        // promised coverage
  double share = 0;        // of the image's area
  std::vector<int> cells;  // of the map, row-major, most likely first
  std::vector<std::vector<Point>>
      polygons;  // outlines as fractions; outer ones clockwise on the screen, holes the other way
};

// `map` (side side) logits. Cells in falling order of w = Gaussian(2 cells) of q, plus 1e-6, normalised, until the sum
// reaches `threshold`; at least one. Equal weights: the earlier cell.
Region find_region(std::span<const float> map, double threshold, double level);

// The sum of w over the cells up to and including the one that holds `target` (fractions): what calibration collects.
double region_score(std::span<const float> map, Point target);

// Outlines of a set of cells of a side x side grid, as fractions. Cells that touch in a corner only are two outlines.
std::vector<std::vector<Point>> outlines(const std::vector<int>& cells, int side);

}  // namespace cp
