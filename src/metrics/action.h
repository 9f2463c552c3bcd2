#pragma once
// In:  predicted points, the samples they come from, and the masks, components and targets they are judged by.
// Out: hit rates on four regions, errors in fractions and pixels, the energy score of the samples.
// Not here: which pairs are judged (evaluate.cpp), what a target is (data/components.h), intervals (bootstrap.h).

#include <span>
#include <vector>

#include "data/components.h"
#include "image/image.h"
#include "metrics/bootstrap.h"

namespace cp {

// Where a point lies. Boxes are half-open; a point stands for the centre of the pixel that holds it, and one on or past
// the edge for the edge's pixel, so that all four agree about what a hit is.
struct PointHits {
  bool mask = false;       // on a changed pixel
  bool largest = false;    // in the largest component's box
  bool union_box = false;  // in the box round all components
  bool any = false;        // in any component's box
};

// `point` in fractions of the extent; `components` of `mask`, largest first, not empty.
PointHits point_hits(const Image& mask, const std::vector<Component>& components, Point point);

// Energy score of samples X of a distribution at the truth y, on fractions of the extent: mean |X - y| - 1/2 mean
// |X - X'|, the second mean over all ordered pairs of samples (Gneiting and Raftery 2007, eq. 22; the estimator of
// Gneiting et al. 2008, eq. 7). Smaller is better; one sample gives its distance. NaN for no samples.
double energy_score(std::span<const Point> samples, Point truth);

// One point against its target.
struct PointScore {
  PointHits hits;
  double squared = 0, absolute = 0;  // mean over the two coordinates, on fractions
  double error_px = 0;               // distance in pixels of the mask
  double energy = 0;                 // energy_score; NaN without samples
};

PointScore score_point(const Image& mask, const std::vector<Component>& components, Point predicted, Point target,
                       std::span<const Point> samples);

struct ActionScores {
  double sr_mask = 0, sr_largest = 0, sr_union = 0, sr_any = 0;  // shares of hits, 0 to 1
  double mse = 0, mae = 0;                                       // per coordinate, on fractions
  double median_error_px = 0, p90_error_px = 0;                  // quantiles of error_px
  double energy_score = 0;                                       // mean
};

// All NaN for no picks.
ActionScores action_scores(std::span<const PointScore> points, Picks picks);

}  // namespace cp
