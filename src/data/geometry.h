#pragma once
// In:  nothing; words for places in an image.
// Out: points (image/point.h) and boxes in pixels or as fractions of the extent; pixel-corner convention (P = x * W),
// origin top-left. Not here: pixels.

#include "image/point.h"

namespace cp {

// Half-open: covers x0 <= x < x1, y0 <= y < y1.
struct Box {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  Point center() const { return {(x0 + x1) / 2, (y0 + y1) / 2}; }
  double area() const { return (x1 - x0) * (y1 - y0); }
  bool contains(Point p) const { return p.x >= x0 && p.x < x1 && p.y >= y0 && p.y < y1; }
  bool operator==(const Box&) const = default;
};

}  // namespace cp
