#pragma once
// In:  a Hugging Face folder of a CLIP model (float32, bfloat16 or float16 weights); an image prepared by
//      image/preprocess.h.
// Out: CLIP's vision transformer: the projected class token, and the last hidden states of the patches (docs/clip.md).
//      Radford et al., ICML 2021.
// Not here: CLIP's text side, training (learn/clip_net.h).

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "formats/clip_config.h"
#include "kernels/gemm_bf16.h"
#include "runtime/layers.h"

namespace cp {

// How the encoder multiplies: in float32; in bfloat16 (gemm_bf16.h), which moves features by some thousandths of the
// largest one; `fast` is bfloat16 where the processor has products of it, else float32.
enum class VisionPrecision { float32, bfloat16, fast };

// Of its name. Throws UserError(usage).
VisionPrecision parse_vision_precision(const std::string& name);

class ClipVit {
 public:
  struct Features {
    std::vector<float> pooled;   // (P): visual_projection(post_layernorm(class token)), not normalised
    std::vector<float> patches;  // (G G W), rows first: last hidden states, without post_layernorm
  };

  // Reads config.json and model.safetensors (or its shards). Throws UserError(model): see read_clip_config() and
  // clip_tensors(); all tensors that are missing, unknown or mis-shaped stand in one message.
  static ClipVit load(const std::filesystem::path& folder, VisionPrecision precision = VisionPrecision::float32);

  const ClipConfig& config() const { return config_; }

  // chw (3 S S). Safe to call from several threads at once.
  Features forward(std::span<const float> chw) const;
  // Several images in one pass: every weight is read once for all of them. The same bits as one by one.
  std::vector<Features> forward_all(std::span<const std::span<const float>> images) const;

 private:
  // A linear layer in one of the two precisions; the other's weight is empty.
  struct Dense {
    Linear full;
    PackedBf16 rounded;
    std::vector<float> operator()(std::span<const float> x) const;
  };
  struct Layer {
    Norm attention_norm, mlp_norm;
    Dense qkv, out, fc1, fc2;  // qkv: (3 W, W), the rows of the three one after the other
  };

  static Dense load_dense(const SafeTensors& file, const std::string& prefix, const std::vector<std::string>& names,
                          int out, int in, bool rounded);
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
