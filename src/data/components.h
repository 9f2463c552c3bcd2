#pragma once
// In:  a change mask (one channel; 0 = unchanged).
// Out: connected components (8 neighbours) with class, box, area and centroid; the action target made from them.
// Not here: reading masks (image/read.h), augmentation.

#include <string>
#include <vector>

#include "data/geometry.h"
#include "image/image.h"

namespace cp {

// LEVIR-MCI: 0 none, 128 road, 255 building. LEVIR-CD: 0/255. Some copies: 0/1.
enum class ChangeClass { change, road, building };
const char* change_class_name(ChangeClass c);

struct Component {
  ChangeClass kind = ChangeClass::building;  // class of the majority of its pixels
  Box box;                                   // px
  int area = 0;                              // px
  Point centroid;                            // px, mean of the pixel centres (x + 0.5)
};

// Largest first; equal areas by (y0, x0). Components smaller than `min_area` pixels are left out.
std::vector<Component> find_components(const Image& mask, int min_area = 1);

enum class Target { largest, union_box, centroid };  // centre of the largest component's box | of the union box | mask centroid
Target parse_target(const std::string& name);         // "largest" | "union" | "centroid"; throws UserError(usage)

// (x, y) fractions of the image extent; `has_point` is false for an empty mask (then x, y are 0.5 and are masked out of
// losses and scores). a = 1 (zoom and capture) when the pair is changed, else 0 (hover).
struct ActionTarget {
  double x = 0.5, y = 0.5;
  int a = 0;
  bool has_point = false;
};
ActionTarget make_action_target(const Image& mask, const std::vector<Component>& components, Target target, int changeflag);

}  // namespace cp
