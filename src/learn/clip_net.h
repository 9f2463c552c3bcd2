#pragma once
// In:  a Hugging Face folder of a CLIP model; images prepared by image/preprocess.h.
// Out: CLIP's vision transformer (docs/clip.md), differentiable. Names as in the checkpoint.
// Not here: fast inference (runtime/clip_vit.h), CLIP's text side.

#include <filesystem>

#include "formats/clip_config.h"
#include "learn/params.h"

namespace cp {

struct ClipOut {
  at::Tensor pooled;   // (B P): visual_projection(post_layernorm(class token)), not normalised
  at::Tensor patches;  // (B G*G W), rows first: last hidden states, without post_layernorm
};

class ClipNet {
 public:
  // There is no start from random weights: CLIP is only ever fine-tuned here. Throws as ClipVit::load() does.
  static ClipNet load(const std::filesystem::path& folder);

  ClipOut forward(const at::Tensor& images) const;  // (B 3 S S)

  const ClipConfig& config() const { return config_; }
  ParamSet params;

 private:
  explicit ClipNet(const ClipConfig& config);
  at::Tensor layer(const std::string& name, const at::Tensor& x) const;  // (B T W) -> (B T W)

  ClipConfig config_;
};

}  // namespace cp
