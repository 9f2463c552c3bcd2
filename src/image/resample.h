#pragma once
// In:  an Image and a target size.
// Out: the Image that Pillow's resize gives, to the bit (two passes, 8.22 fixed point, clipped after each).
// Not here: floats (preprocess.h), warping (warp.h).

#include "image/image.h"

namespace cp {

enum class Filter { nearest, box, bilinear, hamming, bicubic, lanczos };

Image resize(const Image& image, int width, int height, Filter filter);

}  // namespace cp
