#pragma once
// In:  nothing; this is the word for pixels that the other files of image/ read, change and write.
// Out: 8-bit RGB (or one-channel) pixels, row-major, interleaved, origin top-left.
// Not here: files (read.h, write.h), floats for a network (preprocess.h).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/error.h"

namespace cp {

// (H W C) u8. Pixel (x, y) covers [x, x+1) x [y, y+1): fractions of the image extent are P = x * W (pixel corners).
struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;  // 3 = RGB, 1 = grey or mask
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int w, int h, int c, std::uint8_t fill = 0)
      : width(w),
        height(h),
        channels(c),
        pixels(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * static_cast<std::size_t>(c), fill) {}

  std::uint8_t* at(int x, int y) { return pixels.data() + offset(x, y); }
  const std::uint8_t* at(int x, int y) const { return pixels.data() + offset(x, y); }
  std::size_t offset(int x, int y) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
           static_cast<std::size_t>(channels);
  }
  bool operator==(const Image&) const = default;
};

}  // namespace cp
