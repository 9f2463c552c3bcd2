#pragma once
// In:  an Image and a target size.
// Out: the Image that Pillow's resize gives, to the bit (two passes, 8.22 fixed point, clipped after each).
// Not here: floats (preprocess.h), warping (warp.h).

#include "image/image.h"

namespace cp {

enum class Filter { nearest, box, bilinear, hamming, bicubic, lanczos };

// (H W C) -> (height width C). Equals Pillow 13.0, which goes along the columns first where the height shrinks by more
// than twice the pixels that the width loses, along the rows first otherwise (before 13 always: then such results
// differ by 1 or 2 in some pixels). Neither size may be 0 (BugError).
Image resize(const Image& image, int width, int height, Filter filter);

}  // namespace cp
