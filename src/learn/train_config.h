#pragma once
// In:  configs/nano.yaml, flags, key=value overrides.
// Out: the whole effective configuration of a training run of the nano design.
// Not here: what all runs have (run_options.h), the training (trainer.h), reading YAML (core/options.h).

#include <string>

#include "learn/run_options.h"

namespace cp {

struct TextOptions : StageOptions {
  double chinese_share = 0.16;

  template <class V>
  void fields(V& v) {
    StageOptions::fields(v);
    v("chinese_share", chinese_share, "share of Chinese sentences in an epoch, added to the English ones");
  }
};

struct CaptionOptions : StageOptions {
  double projector_scale = 3.3;  // learning rate of the projector relative to the language model's
  int captions_per_pair = 2;     // captions drawn for each pair and batch
  double label_smoothing = 0.05;
  double concept_weight = 3.0;   // weight of the concept loss
  double unchanged_share = 0.5;  // share of the unchanged pairs seen in an epoch
  double dropout = 0.1;          // in the language model
  double chinese_share = 0.35;   // of the samples whose pair has Chinese captions
  std::string actions = "none";  // what else the language model learns to write
  double action_share = 0.3;     // of the samples that are asked for it

  template <class V>
  void fields(V& v) {
    StageOptions::fields(v);
    v("projector_scale", projector_scale, "learning rate of the projector relative to the language model's");
    v("captions_per_pair", captions_per_pair, "captions drawn for each pair and batch");
    v("label_smoothing", label_smoothing, "share of the target spread over the vocabulary");
    v("concept_weight", concept_weight, "weight of the concept loss beside the caption loss");
    v("unchanged_share", unchanged_share, "share of the unchanged pairs seen in an epoch");
    v("dropout", dropout, "in the language model");
    v("chinese_share", chinese_share, "how often a pair that has Chinese captions is asked for one");
    v("actions", actions,
      "actions as text (head.kind=token): none | direct | thought, which analyses and locates first");
    v("action_share", action_share, "how often a pair is asked for its action instead of a caption");
  }
};

struct LanguageOptions {
  int hidden_size = 256;
  int layers = 4;
  int heads = 4;
  int kv_heads = 2;
  int intermediate_size = 672;
  int vocabulary = 1400;
  int concepts = 150;

  template <class V>
  void fields(V& v) {
    v("hidden_size", hidden_size, "width D");
    v("layers", layers, "decoder layers");
    v("heads", heads, "query heads");
    v("kv_heads", kv_heads, "key/value heads");
    v("intermediate_size", intermediate_size, "width of the gated MLP");
    v("vocabulary", vocabulary, "ids of the BPE vocabulary trained on the captions");
    v("concepts", concepts, "concept words predicted from the pair");
  }
};

struct TrainConfig : RunOptions {
  std::string text_data = "../shared/data/levir-cc-captions/LevirCCcaptions.json";
  std::string chinese = "data/levir-mini-zh/captions.jsonl";
  double data_share = 1;
  int folds = 4;
  LanguageOptions language;
  TextOptions text;
  StageOptions map;
  CaptionOptions caption;
  HeadOptions head;

  template <class V>
  void fields(V& v) {
    RunOptions::fields(v);
    v("text_data", text_data, "caption file for pre-training on text; empty = only the captions of data");
    v("chinese", chinese, "Chinese captions of data's pairs (docs/data.md); empty = English only");
    v("data_share", data_share,
      "share of the scenes of data's training pairs that are learned from, f(seed); of text all");
    v("folds", folds, "folds over the training scenes for the calibration of flag and region; 0 = none");
    v("language", language, "");
    v("text", text, "");
    v("map", map, "");
    v("caption", caption, "");
    v("head", head, "");
  }
};

}  // namespace cp
