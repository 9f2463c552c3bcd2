#pragma once
// In:  a LEVIR folder, a caption file, the vision encoder's folder, a configuration.
// Out: what the stages learn from: vocabulary, concepts, caption ids and targets of each view, batches of features.
// Not here: losses (stages), the features' computation (feature_cache.h).

#include <string>
#include <vector>

#include "data/components.h"
#include "data/levir.h"
#include "learn/feature_cache.h"
#include "learn/fusion_net.h"
#include "learn/train_config.h"
#include "metrics/evaluate.h"
#include "text/bpe_tokenizer.h"

namespace cp {

// What the captions of one view of one pair say, after the direction words were rewritten.
struct ViewText {
  std::vector<std::vector<int>> captions;  // ids with the end token
  std::vector<float> concepts;             // (C) share of the captions that name the concept
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

// One pair in one view, as an index into TrainData::train (or val with view 0).
struct Pick {
  std::size_t pair = 0, view = 0;
};

struct TrainData {
  std::vector<TrainPair> train, val;
  std::vector<Truth> val_truth;
  FeatureCache train_features, val_features;
  std::string tokenizer_json;
  BpeTokenizer tokenizer;
  std::vector<std::string> concepts;
  std::vector<char> concept_is_direction;
  // Text alone: caption ids, concept shares, change flag.
  struct TextItem {
    std::vector<int> ids;
    std::vector<float> concepts;
    int changed = 0;
  };
  std::vector<TextItem> text, text_val;
};

// `tokenizer_json` and `concepts` empty: made from the captions; else those of the checkpoint that is continued are
// used.
TrainData load_train_data(const TrainConfig& config, const std::string& tokenizer_json,
                          const std::vector<std::string>& concepts);

// Features of before (image 0) or after (1) for some picks, float32.
FeatureBatch gather_features(const FeatureCache& cache, const std::vector<Pick>& picks, int image);
at::Tensor gather_maps(const FeatureCache& cache, const std::vector<Pick>& picks);  // (B 64 64)
// Right-padded with `pad`: (B T) i64.
at::Tensor pad_ids(const std::vector<std::vector<int>>& rows, int pad);

}  // namespace cp
