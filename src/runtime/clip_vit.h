#pragma once
// In:  a Hugging Face folder of a CLIP model (float32, bfloat16 or float16 weights); an image prepared by
//      image/preprocess.h.
// Out: CLIP's vision transformer: the projected class token, and the last hidden states of the patches (docs/clip.md).
//      Radford et al., ICML 2021.
// Not here: CLIP's text side, training (learn/clip_net.h).

#include <filesystem>
#include <span>
#include <vector>

#include "formats/clip_config.h"
#include "runtime/layers.h"

namespace cp {

class ClipVit {
 public:
  struct Features {
    std::vector<float> pooled;   // (P): visual_projection(post_layernorm(class token)), not normalised
    std::vector<float> patches;  // (G G W), rows first: last hidden states, without post_layernorm
  };

  // Reads config.json and model.safetensors (or its shards). Throws UserError(model): see read_clip_config() and
  // clip_tensors(); all tensors that are missing, unknown or mis-shaped stand in one message.
  static ClipVit load(const std::filesystem::path& folder);

  const ClipConfig& config() const { return config_; }

  // chw (3 S S). Safe to call from several threads at once.
  Features forward(std::span<const float> chw) const;
  // Several images in one pass: every weight is read once for all of them. The same bits as one by one.
  std::vector<Features> forward_all(std::span<const std::span<const float>> images) const;

 private:
  struct Layer {
    Norm attention_norm, mlp_norm;
    Linear qkv, out, fc1, fc2;  // qkv: (3 W, W), the rows of the three one after the other
  };

  std::vector<float> embed(std::span<const std::span<const float>> images) const;
  std::vector<float> normed(std::vector<float> x, const Norm& norm) const;
  void activate(std::span<float> x) const;

  ClipConfig config_;
  std::vector<float> class_embedding_, position_embedding_;  // (W), (T W)
  Linear patch_embedding_, projection_;
  Norm pre_norm_, post_norm_;
  std::vector<Layer> layers_;
};

}  // namespace cp
