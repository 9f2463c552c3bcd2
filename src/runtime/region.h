#pragma once
// In:  samples of the action head, change map logits, calibrated thresholds.
// Out: weights of the places where the target may be, and the region of them that holds it with the promised
//      probability (docs/nano.md, section 6).
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

// (side side) weights that sum to 1: w = (1 - map_share) k + map_share m with k the share of the samples (N 3) a cell
// and m the probabilities of the map (side side logits), each blurred by a Gaussian of 2 cells and normalised to sum 1;
// then 1e-6 is added and w normalised again. map_share = 1: m + 1e-6 before it is normalised, and the samples are not
// read.
std::vector<double> place_weights(std::span<const float> samples, std::span<const float> map, double map_share);

// Cells in falling order of `weights` (side side, summing to 1) until their sum reaches `threshold`; at least one.
// Weights that are equal to twelve decimals: the earlier cell.
Region find_region(std::span<const double> weights, double threshold, double level);

// How many cells find_region takes at each of these thresholds.
std::vector<int> region_cells(std::span<const double> weights, std::span<const double> thresholds);

// How many cells stand before the one that holds `target` (fractions): a region has it when it has more cells.
int cells_before(std::span<const double> weights, Point target);

// The sum of the weights of those cells and the target's own: what calibration collects.
double region_score(std::span<const double> weights, Point target);

// Outlines of a set of cells of a side x side grid, as fractions. Cells that touch in a corner only are two outlines.
std::vector<std::vector<Point>> outlines(const std::vector<int>& cells, int side);

}  // namespace cp
