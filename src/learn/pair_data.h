#pragma once
// In:  pair records, the options of a run.
// Out: pairs in their augmented views with captions and action targets; their features as tensors.
// Not here: vocabularies and concepts (train_data.h), the features' computation (feature_cache.h).

#include <functional>
#include <string>
#include <vector>

#include "data/components.h"
#include "data/levir.h"
#include "learn/feature_cache.h"
#include "learn/run_options.h"
#include "learn/torch.h"

namespace cp {

// What the captions of one view of one pair say, after the direction words were rewritten.
struct ViewText {
  std::vector<std::string> sentences;
  std::vector<std::vector<int>> captions;  // their ids with the end token
  std::vector<std::vector<int>> chinese;   // ids of the Chinese captions that the view left; nano only
  std::vector<float> concepts;             // (C) share of the captions that name the concept; nano only
  bool complete = true;                    // false: captions were left out, so direction concepts are unknown
};

struct TrainPair {
  PairRecord record;
  bool mask_disagrees =
      false;  // flag_against_mask() is not `agrees`: captions and flag are used, mask and point are not
  std::vector<View> views;
  std::vector<ViewText> texts;        // one a view; empty captions: this view cannot say where
  std::vector<ActionTarget> targets;  // one a view
  std::string group;                  // scene
};

// One pair in one view, as an index into the training pairs (or the validation pairs, with view 0).
struct Pick {
  std::size_t pair = 0, view = 0;
};

// The records of splits "train" and "val"; val may be empty. Throws UserError(data).
struct PairRecords {
  std::vector<PairRecord> train, val;
};
PairRecords read_pair_records(const RunOptions& options);

inline constexpr std::size_t kValSamples = 1000000;  // validation pairs get other noise draws than any training pair

using CaptionEncoder = std::function<std::vector<int>(const std::string& caption)>;

// Pairs in options.views views each; with `augmented` false in their own view alone. `target` as in HeadOptions.
std::vector<TrainPair> make_pairs(const std::vector<PairRecord>& records, const RunOptions& options,
                                  const std::string& target, bool augmented, const CaptionEncoder& encode);

// A view of the pair that can still say where things are, f(seed, epoch, pair): at least two of its captions survived.
// The generator goes on to serve the choice of captions.
std::size_t choose_view(const TrainPair& pair, Rng& rng);

// Every pair in every view, pair-major.
std::vector<Pick> all_picks(const std::vector<TrainPair>& pairs);

// Training order of a caption epoch: all changed pairs and a share of the unchanged ones, mixed, f(seed, epoch).
std::vector<std::size_t> changed_and_some(const std::vector<TrainPair>& pairs, double unchanged_share,
                                          std::uint64_t seed, int epoch);

// The features of all pairs in all views; computed where they are missing.
FeatureCache open_features(const RunOptions& options, const FeatureSource& source, const std::vector<TrainPair>& pairs);

// Part of the picked rows, from half `offset` on: (B, shape) float32.
at::Tensor gather(const FeatureCache& cache, const std::vector<Pick>& picks, std::size_t offset, at::IntArrayRef shape);

}  // namespace cp
