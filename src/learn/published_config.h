#pragma once
// In:  configs/published-*.yaml, flags, key=value overrides.
// Out: the whole effective configuration of a training run of the published design (docs/published.md).
// Not here: what all runs have (run_options.h), the training (trainer.h), reading YAML (core/options.h).

#include <string>
#include <vector>

#include "learn/run_options.h"

namespace cp {

struct PublishedFusionOptions {
  std::string kind = "concat";
  int width = 512;

  template <class V>
  void fields(V& v) {
    v("kind", kind, "concat | subtract | patch");
    v("width", width, "channels of the fused rows");
  }
};

struct LoraOptions {
  int r = 8;
  double alpha = 16;
  double dropout = 0.05;
  std::vector<std::string> target_modules = {"q_proj", "v_proj"};

  template <class V>
  void fields(V& v) {
    v("r", r, "rank");
    v("alpha", alpha, "B A is scaled by alpha / r");
    v("dropout", dropout, "of the input of A");
    v("target_modules", target_modules, "ends of module names, or all-linear");
  }
};

struct AnswerStageOptions : StageOptions {
  double fusion_scale = 1.0;
  int captions_per_pair = 2;
  double label_smoothing = 0.0;
  double unchanged_share = 0.5;
  bool packed = true;
  double map_weight = 1.0;
  double caption_weight = 0.5;
  double action_weight = 0.5;

  template <class V>
  void fields(V& v) {
    StageOptions::fields(v);
    v("fusion_scale", fusion_scale, "learning rate of fusion and projector relative to the adapter's");
    v("captions_per_pair", captions_per_pair, "captions drawn for each pair and batch");
    v("label_smoothing", label_smoothing, "share of the target spread over the vocabulary");
    v("unchanged_share", unchanged_share, "share of the unchanged pairs seen in an epoch");
    v("packed", packed, "all samples of a batch in one row, captions of a pair behind one prompt; false: padded rows");
    v("map_weight", map_weight, "weight of the change map's and flag's loss (fusion patch)");
    v("caption_weight", caption_weight, "weight of the caption loss (strategy joint)");
    v("action_weight", action_weight, "weight of the action loss (strategy joint)");
  }
};

struct PublishedConfig : RunOptions {
  std::string language;
  std::string quantize = "nf4";
  std::string template_name;
  std::string strategy = "phases";
  std::string parts = "reference";
  std::string device = "cpu";
  std::string compute = "auto";
  std::string memory_limit;
  bool checkpoint_layers = false;
  PublishedFusionOptions fusion;
  LoraOptions lora;
  AnswerStageOptions caption;
  HeadOptions head;

  PublishedConfig() {
    design = "published";
    name = "published";
    out = "runs/published";
    views = 8;
    caption.beta2 = 0.999;
    head.condition = "last_token";
    head.snap_sigma = 0;
  }

  template <class V>
  void fields(V& v) {
    RunOptions::fields(v);
    v("language", language, "folder of a language model of Qwen2 or Llama architecture; it stays frozen");
    v("quantize", quantize, "nf4 | none: linear layers of a dense language folder in 4 bits (made once, in cache)");
    v("template", template_name, "plain | qwen2.5 | smollm2 | chatml; empty: the language folder's");
    v("strategy", strategy, "phases: captions, then the head on cached hidden states | joint: both in one stage");
    v("parts", parts, "reference | copy: how a checkpoint's model holds vision and language");
    v("device", device, "cpu | cuda | cuda:N");
    v("compute", compute, "auto | float32 | bfloat16 | float16: products of the language model");
    v("memory_limit", memory_limit, "for example 8GB: refuses a run that will not fit, stops one that passes it");
    v("checkpoint_layers", checkpoint_layers, "compute each layer again on the way back: less memory, more time");
    v("fusion", fusion, "");
    v("lora", lora, "");
    v("caption", caption, "");
    v("head", head, "");
  }
};

}  // namespace cp
