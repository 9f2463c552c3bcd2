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
  double rescale = 1.0 / 255.0;
};

// (H W 3) -> (3 S S) f32, channel first: (float32(pixel * rescale) - mean) / std in float32, as transformers' NumPy
// image processors compute it (image_transforms.py: rescale, normalize, center_crop, get_resize_output_image_size).
// With keep_aspect the longer side becomes floor(size * long / short); sides of more
// than 256 : 1 are refused (UserError(data)).
std::vector<float> preprocess(const Image& image, const Preprocess& how);

}  // namespace cp
