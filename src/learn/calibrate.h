#pragma once
// In:  training data.
// Out: what flag logits and change maps mean, measured on scenes that the networks did not see (K folds over the scenes
//      of the training pairs): probability and threshold of the flag, thresholds of the region.
// Not here: validation data; it calibrates nothing.

#include <filesystem>
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

// Split-conformal quantile that holds its level with `confidence` over the draw of the n calibrating scores, not on the
// average of all draws alone: the r-th smallest score with the least r for which P(Binomial(n, level) < r) >=
// confidence, since its coverage is Beta(r, n + 1 - r) (Vovk 2012, arXiv:1209.2673, proposition 2b). 1 when n is too
// small for it. confidence 0: the ceil((n + 1) level)-th smallest (Vovk et al. 2005).
double conformal_quantile(std::vector<double> scores, double level, double confidence = 0.95);

// What the fold's network, which did not see the scene, says of every (pair, view), pair-major: how maps and flags look
// on unseen scenes, which the action head learns from.
struct CrossFit {
  std::vector<int> fold_of;  // by pair
  at::Tensor map;            // (R 64 64) logits, float16
  at::Tensor flag;           // (R) logits, float32
};

// Trains the map stage once a fold. Returns nothing when `stop` said so. `cross_fit` gets what the folds say.
std::optional<Calibration> calibrate(const TrainConfig& config, const TrainData& data,
                                     const std::function<bool()>& stop, CrossFit& cross_fit);

// RUN/cross_fit.safetensors: durable, beside the checkpoints.
void write_cross_fit(const std::filesystem::path& file, const CrossFit& cross_fit);
CrossFit read_cross_fit(const std::filesystem::path& file, std::size_t pairs, std::size_t views);

}  // namespace cp
