#pragma once
// In:  a map of values on a grid.
// Out: probabilities of logits; the map blurred as scipy.ndimage.gaussian_filter does it.
// Not here: what is done with the result (change_list.h, region.h).

#include <span>
#include <vector>

namespace cp {

// sigmoid of every logit, in double.
std::vector<double> probabilities(std::span<const float> logits);

// (H W) -> (H W): separable Gaussian of `sigma` cells, cut off at 4 sigma and normalised, reflected at the border
// (d c b a | a b c d | d c b a), in double.
std::vector<double> gaussian_smooth(const std::vector<double>& map, int height, int width, double sigma);

}  // namespace cp
