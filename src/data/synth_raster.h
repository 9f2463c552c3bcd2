#pragma once
// In:  shapes on the canvas.
// Out: calls of a function for every canvas pixel that a shape covers, with its place inside the shape.
// Not here: colours.

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "data/synth_scene.h"

namespace cp::synth {

// visit(x, y, u, v): u along `axis`, v across it, both from the centre, |u| <= half_length, |v| <= half_width.
template <class Visit>
void for_rectangle(int size, Vec at, Vec axis, int half_length, int half_width, Visit visit) {
  const int reach_x = (half_length * std::abs(axis.x) + half_width * std::abs(axis.y)) / kOne + 1;
  const int reach_y = (half_length * std::abs(axis.y) + half_width * std::abs(axis.x)) / kOne + 1;
  for (int y = std::max(0, at.y - reach_y); y <= std::min(size - 1, at.y + reach_y); ++y) {
    for (int x = std::max(0, at.x - reach_x); x <= std::min(size - 1, at.x + reach_x); ++x) {
      const Vec d{x - at.x, y - at.y};
      const int u = along(d, axis), v = along(d, perpendicular(axis));
      if (std::abs(u) <= half_length && std::abs(v) <= half_width) visit(x, y, u, v);
    }
  }
}

// visit(x, y, dx, dy) for dx^2 + dy^2 <= radius^2.
template <class Visit>
void for_disc(int size, Vec at, int radius, Visit visit) {
  for (int y = std::max(0, at.y - radius); y <= std::min(size - 1, at.y + radius); ++y) {
    for (int x = std::max(0, at.x - radius); x <= std::min(size - 1, at.x + radius); ++x) {
      const int dx = x - at.x, dy = y - at.y;
      if (dx * dx + dy * dy <= radius * radius) visit(x, y, dx, dy);
    }
  }
}

struct OnRoad {
  static constexpr int kFar = 1 << 20;
  int across = kFar, lengthwise = 0;
};

// visit(x, y, across, lengthwise) once for every pixel within `reach` of the polyline: distance from it (signed by the
// side while beside a segment) and distance walked along it.
template <class Visit>
void for_road(int size, const std::vector<Vec>& points, int reach, Visit visit) {
  std::vector<OnRoad> nearest(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
  int walked = 0;
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const Vec a = points[i], b = points[i + 1], axis = unit(b - a);
    const int len = length(b - a);
    for (int y = std::max(0, std::min(a.y, b.y) - reach); y <= std::min(size - 1, std::max(a.y, b.y) + reach); ++y) {
      for (int x = std::max(0, std::min(a.x, b.x) - reach); x <= std::min(size - 1, std::max(a.x, b.x) + reach); ++x) {
        const Vec d{x - a.x, y - a.y};
        const int t = along(d, axis);
        int across = along(d, perpendicular(axis));
        if (std::abs(across) > reach) continue;
        if (t < 0 || t > len) across = length(d - scaled(axis, std::clamp(t, 0, len)));
        OnRoad& near = nearest[static_cast<std::size_t>(y * size + x)];
        if (std::abs(across) <= reach && std::abs(across) < std::abs(near.across)) near = {across, walked + t};
      }
    }
    walked += len;
  }
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const OnRoad& near = nearest[static_cast<std::size_t>(y * size + x)];
      if (near.across != OnRoad::kFar) visit(x, y, near.across, near.lengthwise);
    }
  }
}

}  // namespace cp::synth
