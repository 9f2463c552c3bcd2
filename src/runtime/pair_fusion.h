#pragma once
// In:  features of the image before and the image after, as rows: one pooled row each, or one row a patch.
// Out: visual embeddings; from patches also a change map and a change flag (docs/published.md).
// Not here: the fusion of EfficientNet's strides (fusion.h), the encoders (vision.h).

#include <span>
#include <string>
#include <vector>

#include "formats/parameter.h"
#include "runtime/layers.h"

namespace cp {

class PairFusion {
 public:
  static constexpr int kMapSide = 64;  // side of the change map
  static constexpr int kSubcells = 8;  // a patch predicts 8 x 8 places of the map

  // What fixes the weights. `kind` is "concat", "subtract" (grid 1, no map) or "patch".
  struct Shape {
    std::string kind = "concat";
    int in = 512;      // width of a feature row
    int grid = 1;      // G; G * G rows
    int width = 512;   // F, of the fused rows
    int hidden = 896;  // D, of the language model

    int rows() const { return grid * grid; }
    bool has_map() const { return kind == "patch"; }
  };

  struct Output {
    std::vector<float> embeddings;  // (G G D)
    std::vector<float> map;         // (64 64) logits; empty without a map
    float flag = 0;                 // logit; 0 without a map
  };

  // `embedding_scale`: root mean square of an embedding of the language model, at which visual ones start.
  static Parameters parameters(const Shape& shape, double embedding_scale = 1);
  // fusion.safetensors. Throws UserError(model) that lists all that does not fit.
  static PairFusion load(const SafeTensors& file, const Shape& shape);

  // before, after (G G in).
  Output forward(std::span<const float> before, std::span<const float> after) const;

  const Shape& shape() const { return shape_; }

 private:
  void predict_map(const std::vector<float>& fused, Output& out) const;

  Shape shape_;
  Norm norm_;
  Linear mix_, projector0_, projector2_, change_map_, flag0_, flag2_;
  std::vector<float> position_, out_norm_;
  float scale_ = 1;
};

}  // namespace cp
