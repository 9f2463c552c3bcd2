#pragma once
// In:  an Image and a 2x3 matrix that leads from a place in the result to a place in the source.
// Out: the warped Image; places outside the source take the nearest edge pixel.
// Not here: choosing matrices (data/augment.h), exact rescaling (resample.h).

#include <array>

#include "image/image.h"

namespace cp {

// (H W C) -> (height width C). `inverse` = {a, b, c, d, e, f}: result point (X, Y) shows source point
// (a X + b Y + c, d X + e Y + f), both in pixel-corner coordinates (the centre of pixel (x, y) is (x + 0.5, y + 0.5)),
// as in Pillow's Image.transform(AFFINE). Bilinear values are rounded to nearest, half up; `nearest` (for masks) makes
// no new values. The matrix must be finite and the result at least 1 x 1 (BugError).
Image warp_affine(const Image& image, const std::array<double, 6>& inverse, int width, int height, bool nearest);

}  // namespace cp
