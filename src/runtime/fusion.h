#pragma once
// In:  vision features of the image before and the image after.
// Out: fused features, change map and flag logits, concept probabilities, visual embeddings (docs/nano.md, 2 and 3).
// Not here: the vision encoder, the threshold of the flag (session.h), training (learn/).

#include <array>
#include <span>
#include <vector>

#include "runtime/efficientnet_lite.h"
#include "runtime/layers.h"

namespace cp {

class Fusion {
 public:
  static constexpr int kWidth = 64;                  // channels of the fused features
  static constexpr int kSide = 32;                   // side of the fused features
  static constexpr int kMapSide = 64;                // side of the change map
  static constexpr int kGrid = 4;                    // side of the projector's grid
  static constexpr int kVisual = kGrid * kGrid + 2;  // N: grid, flag, concepts

  struct Output {
    std::vector<float> map;    // (64 64) logits h
    float flag = 0;            // logit f
    std::vector<float> fused;  // (32 32 64) y, channels last
  };
  struct Visual {
    std::vector<float> grid;      // (16 D)
    std::vector<float> concepts;  // (C) probabilities
  };

  // fusion.safetensors; D is the language model's width. Throws UserError(model) that lists all that does not fit.
  static Fusion load(const SafeTensors& file, int hidden, int concepts);

  Output forward(const EfficientNetLite::Features& before, const EfficientNetLite::Features& after) const;
  Visual project(const EfficientNetLite::Features& before, const EfficientNetLite::Features& after,
                 const Output& fusion) const;
  // (18 D): the grid, the flag's row, the concepts' embedding.
  std::vector<float> embeddings(const Visual& visual, bool changed) const;

 private:
  // A 1 x 1 convolution to 64 channels with its group norm.
  struct Input {
    Linear conv;
    Norm norm;
    std::vector<float> operator()(std::span<const float> features_last) const;
  };

  int hidden_ = 0;
  std::array<Input, 3> in_;  // strides 32, 16, 8
  std::array<Linear, 3> mix_;
  std::array<Linear, 2> conv_;
  Linear change_map_, flag0_, flag2_;
  std::array<Input, 2> token_in_;  // strides 32, 16
  Linear token_mix0_, token_mix2_, concept0_, concept2_, concept_in_;
  std::vector<float> position_, out_norm_, flag_rows_;
  float scale_ = 1;
};

}  // namespace cp
