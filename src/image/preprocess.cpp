#include "image/preprocess.h"

#include <algorithm>

#include <fmt/format.h>

namespace cp {
namespace {

// A size x size picture from any picture.
Image fit(const Image& image, const Preprocess& how) {
  if (!how.keep_aspect) return resize(image, how.size, how.size, how.filter);
  const int shorter = std::min(image.width, image.height), longer = std::max(image.width, image.height);
  const int long_side = static_cast<int>(static_cast<double>(how.size) * longer / shorter);
  // Resizing would take this many pixels' memory only to cut nearly all of them away.
  if (long_side > 256 * how.size)
    throw UserError(ErrorKind::data, "image",
                    fmt::format("{} x {} pixels are too long and narrow for a square.", image.width, image.height),
                    "Cut out the part that matters.");
  const bool upright = image.width <= image.height;
  const Image resized = resize(image, upright ? how.size : long_side, upright ? long_side : how.size, how.filter);
  const int left = (resized.width - how.size) / 2, top = (resized.height - how.size) / 2;
  Image out(how.size, how.size, 3);
  for (int y = 0; y < how.size; ++y) std::copy_n(resized.at(left, top + y), 3 * how.size, out.at(0, y));
  return out;
}

}  // namespace

std::vector<float> preprocess(const Image& image, const Preprocess& how) {
  CP_CHECK(image.channels == 3, "preprocess: wanted RGB");
  CP_CHECK(how.size > 0, "preprocess: size");
  const Image square = fit(image, how);
  const std::size_t plane = static_cast<std::size_t>(how.size) * static_cast<std::size_t>(how.size);
  std::vector<float> out(3 * plane);
  for (std::size_t c = 0; c < 3; ++c) {
    std::array<float, 256> value_of;
    for (int pixel = 0; pixel < 256; ++pixel)
      value_of[static_cast<std::size_t>(pixel)] = (static_cast<float>(pixel * how.rescale) - how.mean[c]) / how.std[c];
    for (std::size_t i = 0; i < plane; ++i) out[c * plane + i] = value_of[square.pixels[3 * i + c]];
  }
  return out;
}

}  // namespace cp
