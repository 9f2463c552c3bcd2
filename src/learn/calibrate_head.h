#pragma once
// In:  what the action head learns from, the folds of its scenes.
// Out: thresholds of the region, calibrated on scenes that neither the fold's head nor the fold's fusion saw, with the
//      sampler that answers; how well the head points there.
// Not here: the flag and the folds (calibrate.h), validation data; it calibrates nothing.

#include <functional>
#include <optional>

#include "learn/calibrate.h"
#include "learn/stages.h"

namespace cp {

struct HeadCalibration {
  ModelManifest::Region region;
  // Out of fold, over the pairs that have a point:
  double mse = 0;         // of the point: mean squared error per coordinate, on fractions
  double sr_mask = 0;     // share of points on a changed pixel
  double sr_largest = 0;  // share of points in the largest component's box
  double area = 0;        // mean share of the image of the region at its level
};

// Trains the head once a fold and collects, for each changed pair in its own view, the weight up to the true target.
// The share of the change map in these weights is the one with the smallest regions at the level that is released: all
// of this is training data. `maps` (R 64 64) are the maps that a region is made of. Nothing when `stop` said so.
std::optional<HeadCalibration> calibrate_head(const HeadOptions& options, std::uint64_t seed,
                                              const HeadStage::Data& data, const at::Tensor& maps,
                                              const std::vector<int>& fold_of, const HeadShape& shape,
                                              const ActionHead::Sampling& how, const std::function<bool()>& stop);

}  // namespace cp
