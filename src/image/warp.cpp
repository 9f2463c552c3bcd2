#include "image/warp.h"

#include <algorithm>
#include <cmath>

namespace cp {
namespace {

// Neighbouring indices of a coordinate along one axis of `size` pixels, clamped to the edge, and the second one's
// weight.
struct Neighbours {
  int first, second;
  double weight;
};

Neighbours neighbours(double corner_coordinate, int size) {
  const double centre = std::clamp(corner_coordinate - 0.5, 0.0, static_cast<double>(size - 1));
  const int first = static_cast<int>(centre);
  return {first, std::min(first + 1, size - 1), centre - first};
}

int nearest_index(double corner_coordinate, int size) {
  return static_cast<int>(std::clamp(std::floor(corner_coordinate), 0.0, static_cast<double>(size - 1)));
}

}  // namespace

Image warp_affine(const Image& image, const std::array<double, 6>& inverse, int width, int height, bool nearest) {
  CP_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0, "warp_affine: empty image");
  CP_CHECK(std::all_of(inverse.begin(), inverse.end(), [](double v) { return std::isfinite(v); }),
           "warp_affine: matrix is not finite");
  Image out(width, height, image.channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double px = x + 0.5, py = y + 0.5;
      const double source_x = inverse[0] * px + inverse[1] * py + inverse[2];
      const double source_y = inverse[3] * px + inverse[4] * py + inverse[5];
      std::uint8_t* to = out.at(x, y);
      if (nearest) {
        const std::uint8_t* from =
            image.at(nearest_index(source_x, image.width), nearest_index(source_y, image.height));
        std::copy_n(from, image.channels, to);
        continue;
      }
      const Neighbours h = neighbours(source_x, image.width), v = neighbours(source_y, image.height);
      const std::uint8_t* top_left = image.at(h.first, v.first);
      const std::uint8_t* top_right = image.at(h.second, v.first);
      const std::uint8_t* bottom_left = image.at(h.first, v.second);
      const std::uint8_t* bottom_right = image.at(h.second, v.second);
      for (int c = 0; c < image.channels; ++c) {
        const double top = top_left[c] + (top_right[c] - top_left[c]) * h.weight;
        const double bottom = bottom_left[c] + (bottom_right[c] - bottom_left[c]) * h.weight;
        to[c] = static_cast<std::uint8_t>(top + (bottom - top) * v.weight + 0.5);
      }
    }
  }
  return out;
}

}  // namespace cp
