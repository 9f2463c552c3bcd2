#pragma once
// In:  last hidden states of the prompt.
// Out: one vector that says what the action head shall answer (docs/nano.md 5).
// Not here: the condition `visual_grid` (evidence.h), what is made of the vector (action_head.h).

#include <span>
#include <string>
#include <vector>

#include "formats/parameter.h"
#include "runtime/layers.h"

namespace cp {

// What an action head computes; names as in changepilot.json and in the training options.
struct HeadShape {
  std::string kind = "diffusion";              // or flow, regression, token, heatmap
  std::string condition = "visual_attention";  // or none, last_token, pooled, queries, visual_grid
  std::string evidence = "hidden+map";         // of visual_grid: or hidden, map
  int grid = 4;                                // side of the visual grid
  int hidden = 256;                            // width of the language model

  bool on_grid() const { return condition == "visual_grid"; }
  bool denoises() const { return kind == "diffusion" || kind == "flow"; }
};

// What the head reads of one prompt.
struct HeadInput {
  std::span<const float> prompt;  // (T D) last hidden states after the final norm
  int visual_begin = 0;           // where the grid's positions start
  std::span<const float> map;     // (64 64) logits of the change map; empty: the model has none
  double flag = 0;                // calibrated log-odds of a change
  std::span<const float> read;    // (4 D) last hidden states of the readout tokens, condition `queries` only
};

class HeadCondition {
 public:
  static constexpr int kWidth = 256;
  static constexpr int kQueries = 4, kKey = 64;  // visual_attention
  static constexpr int kReadout = 4;             // readout tokens of `queries`

  static void add_parameters(Parameters& parameters, const HeadShape& shape);
  static HeadCondition load(const SafeTensors& file, const HeadShape& shape);

  std::vector<float> operator()(const HeadInput& input) const;  // (256)
  // (4 D): embeddings that are appended to the prompt; empty unless the condition is `queries`.
  const std::vector<float>& readout() const { return readout_; }

 private:
  HeadShape shape_;
  std::vector<float> query_;  // (4 64)
  std::vector<float> constant_, readout_;
  Linear key_, value_, out_;
  Norm norm_;
};

}  // namespace cp
