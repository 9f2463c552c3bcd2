#pragma once
// In:  samples of the action head.
// Out: the places that they point at: modes of their density over (u, v), by mean shift (docs/nano.md, section 5).
// Not here: sampling (action_head.h), which change a mode belongs to (change_list.h).

#include <cstddef>
#include <span>
#include <vector>

#include "image/point.h"

namespace cp {

struct Mode {
  Point point;                       // (u, v) in [-1, 1]
  double density = 0;                // mean of the kernel over the samples, 0 to 1, before the point is refined
  double mass = 0;                   // share of the samples that led here; all modes' masses sum to 1
  std::vector<std::size_t> members;  // those samples, by index
};

// `samples` (N 3), finite, N >= 1. Densest first; densities that are equal to nine decimals in the order of their
// samples. Never empty.
std::vector<Mode> find_modes(std::span<const float> samples);

}  // namespace cp
