#pragma once
// In:  training data.
// Out: what flag logits and change maps mean, measured on scenes that the networks did not see (K folds over the scenes
//      of the training pairs): probability and threshold of the flag, thresholds of the region.
// Not here: validation data; it calibrates nothing.

#include <functional>
#include <span>

#include "formats/model_folder.h"
#include "learn/train_data.h"
#include "learn/trainer.h"

namespace cp {

struct Calibration {
  ModelManifest::Flag flag;
  ModelManifest::Region region;
  double flag_accuracy = 0;  // out of fold, at the threshold
  double flag_nll = 0;       // mean log loss of the calibrated probability
  int pairs = 0;
};

// Fold of each training pair; a scene's pairs stay together, folds get about the same number of pairs.
std::vector<int> scene_folds(const std::vector<TrainPair>& pairs, int folds, std::uint64_t seed);

// p = sigmoid((logit - bias) / temperature) by maximum likelihood (Platt 1999, Newton's method); threshold = bias,
// where p = 0.5. Both classes must occur.
ModelManifest::Flag fit_flag(std::span<const double> logits, std::span<const int> flags);

// Split-conformal quantile: the ceil((n + 1) level)-th smallest score (Vovk et al. 2005); 1 when n is too small for it.
double conformal_quantile(std::vector<double> scores, double level);

// Trains the map stage once a fold. Returns nothing when `stop` said so.
std::optional<Calibration> calibrate(const TrainConfig& config, const TrainData& data,
                                     const std::function<bool()>& stop);

}  // namespace cp
