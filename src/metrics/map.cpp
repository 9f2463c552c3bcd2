#include "metrics/map.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"

namespace cp {
namespace {

struct Tap {
  std::size_t low, high;
  double weight_of_high;
};

std::vector<Tap> taps(int from, int to) {
  std::vector<Tap> result;
  for (int i = 0; i < to; ++i) {
    const double position = std::max(0.0, (i + 0.5) * from / to - 0.5);
    const int low = std::min(static_cast<int>(position), from - 1);
    result.push_back(
        {static_cast<std::size_t>(low), static_cast<std::size_t>(std::min(low + 1, from - 1)), position - low});
  }
  return result;
}

}  // namespace

void MapIou::add(std::span<const float> logits, int height, int width, const Image& mask, double threshold) {
  CP_CHECK(
      height > 0 && width > 0 && logits.size() == static_cast<std::size_t>(height) * static_cast<std::size_t>(width),
      "a map has height x width logits");
  CP_CHECK(mask.channels == 1, "a mask has one channel");
  const auto columns = taps(width, mask.width), rows = taps(height, mask.height);
  const auto stride = static_cast<std::size_t>(width);
  for (int y = 0; y < mask.height; ++y) {
    const Tap& row = rows[static_cast<std::size_t>(y)];
    const float *upper = logits.data() + row.low * stride, *lower = logits.data() + row.high * stride;
    for (int x = 0; x < mask.width; ++x) {
      const Tap& column = columns[static_cast<std::size_t>(x)];
      const double above = std::lerp<double>(upper[column.low], upper[column.high], column.weight_of_high);
      const double below = std::lerp<double>(lower[column.low], lower[column.high], column.weight_of_high);
      const bool predicted = std::lerp(above, below, row.weight_of_high) > threshold, changed = *mask.at(x, y) != 0;
      intersection += predicted && changed;
      either += predicted || changed;
    }
  }
}

double MapIou::value() const {
  return either == 0 ? 1.0 : static_cast<double>(intersection) / static_cast<double>(either);
}

double map_iou(std::span<const float> logits, int height, int width, const Image& mask, double threshold) {
  MapIou iou;
  iou.add(logits, height, width, mask, threshold);
  return iou.value();
}

}  // namespace cp
