#pragma once
// In:  a LEVIR folder, a caption file, the vision encoder's folder, a configuration.
// Out: what the stages learn from: vocabulary, concepts, caption ids and targets of each view, batches of features.
// Not here: losses (stages), the features' computation (feature_cache.h).

#include <string>
#include <vector>

#include "learn/fusion_net.h"
#include "learn/pair_data.h"
#include "learn/train_config.h"
#include "text/bpe_tokenizer.h"

namespace cp {

struct TrainData {
  std::vector<TrainPair> train, val;
  FeatureCache train_features, val_features;
  std::string tokenizer_json;
  BpeTokenizer tokenizer;
  std::vector<std::string> concepts;
  std::vector<char> concept_is_direction;
  // Text alone: caption ids, concept shares, change flag, language.
  struct TextItem {
    std::vector<int> ids;
    std::vector<float> concepts;
    int changed = 0;
    bool chinese = false;
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
