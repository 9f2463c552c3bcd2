#pragma once
// In:  a map of values on a grid, or samples of places.
// Out: probabilities of logits; the map blurred as scipy.ndimage.gaussian_filter does it; samples as such a map.
// Not here: what is done with the result (change_list.h, region.h).

#include <span>
#include <vector>

namespace cp {

// Side of a square map of so many cells; a map that is not square is a bug.
int side_of(std::size_t cells);

// sigmoid of every logit, in double.
std::vector<double> probabilities(std::span<const float> logits);

// (H W) -> (H W): separable Gaussian of `sigma` cells, cut off at 4 sigma and normalised, reflected at the border
// (d c b a | a b c d | d c b a), in double.
std::vector<double> gaussian_smooth(const std::vector<double>& map, int height, int width, double sigma);

// The cell of a row of `side` that holds u in [-1, 1]; what lies outside goes to the edge. `u` is a number.
int cell_of(float u, int side);

// Samples (N 3) of (u, v, a), finite, N >= 1 -> (side side): the share of them a cell, blurred by a Gaussian of 2
// cells.
std::vector<double> sample_density(std::span<const float> samples, int side);

}  // namespace cp
