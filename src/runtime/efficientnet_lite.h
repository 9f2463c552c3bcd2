#pragma once
// In:  an image prepared by image/preprocess.h.
// Out: EfficientNet-Lite0's features at strides 8, 16 and 32 (docs/nano.md, section 1). Tan and Le, ICML 2019; the Lite
//      form (ReLU6, no squeeze-and-excitation, fixed stem) is TensorFlow's.
// Not here: the classifier, training (the encoder is frozen).

#include <filesystem>
#include <span>
#include <vector>

#include "kernels/conv.h"

namespace cp {

class EfficientNetLite {
 public:
  static constexpr int kSize = 256;  // side of the input, px

  // Channels first, as docs/nano.md and the trainer's cache keep them.
  struct Features {
    std::vector<float> s8;   // (40 32 32)
    std::vector<float> s16;  // (112 16 16)
    std::vector<float> s32;  // (320 8 8)
  };

  // Reads config.json and model.safetensors of the folder; batch norms are folded into the convolutions. Throws
  // UserError(model) when the folder is no EfficientNet-Lite0 or lacks weights (all of them in one message).
  static EfficientNetLite load(const std::filesystem::path& vision_folder);

  // chw (3 256 256). Safe to call from several threads at once.
  Features forward(std::span<const float> chw) const;

 private:
  // A convolution with its batch norm folded in; activation ReLU6 except after a projection.
  struct Pointwise {
    PackedMatrix weight;  // (in, out)
    std::vector<float> bias;
  };
  struct Block {
    int kernel, stride, in, out;
    Pointwise expand;                                     // empty when the block does not expand
    std::vector<float> depthwise_weight, depthwise_bias;  // (k k C), (C)
    Pointwise project;
  };

  Pointwise stem_;
  std::vector<Block> blocks_;
};

}  // namespace cp
