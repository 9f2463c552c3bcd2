#pragma once
// In:  nothing; the word for a place in an image.
// Out: a point in pixels or as fractions of the extent; pixel-corner convention (P = x * W), origin top-left.
// Not here: boxes (data/geometry.h).

namespace cp {

struct Point {
  double x = 0, y = 0;
  bool operator==(const Point&) const = default;
};

}  // namespace cp
