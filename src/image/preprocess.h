#pragma once
// In:  an RGB Image of any size.
// Out: the float tensor (3 S S) that a vision encoder reads.
// Not here: the encoder.

#include <array>
#include <vector>

#include "image/resample.h"

namespace cp {

// How a preprocessor_config.json prepares an image.
struct Preprocess {
  int size = 256;            // S, side of the square the network reads, px
  bool keep_aspect = false;  // true (CLIP): resize the shortest side to `size`, then centre crop
  Filter filter = Filter::bicubic;
  std::array<float, 3> mean{127.f / 255.f, 127.f / 255.f, 127.f / 255.f};  // of values in [0, 1]
  std::array<float, 3> std{128.f / 255.f, 128.f / 255.f, 128.f / 255.f};
  float rescale = 1.f / 255.f;
};

// (3 S S) f32, channel first: (pixel * rescale - mean) / std, computed as transformers does it, in float32.
std::vector<float> preprocess(const Image& image, const Preprocess& how);

}  // namespace cp
