#pragma once
// In:  logits of a coarse change map, the true mask.
// Out: intersection over union of the changed pixels, micro-averaged over a split.
// Not here: turning a map into points (runtime/).

#include <cstdint>
#include <span>

#include "image/image.h"

namespace cp {

// Adds up pixels over a split: IoU = sum of intersections / sum of unions ("micro": every pixel counts alike).
struct MapIou {
  std::int64_t intersection = 0, either = 0;  // px

  // `logits` (height width) row-major, resampled bilinearly (half-pixel centres, edges repeated, as torch's interpolate
  // with align_corners=False) to the mask's size; changed where the logit is above `threshold` (0 is probability 0.5).
  void add(std::span<const float> logits, int height, int width, const Image& mask, double threshold = 0);
  // 1 when neither a map nor a mask has a changed pixel.
  double value() const;
};

// One pair alone.
double map_iou(std::span<const float> logits, int height, int width, const Image& mask, double threshold = 0);

}  // namespace cp
