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
  ChangeClass kind = ChangeClass::building;  // class of most of its pixels; a tie goes to building, then road
  Box box;                                   // px
  int area = 0;                              // px
  Point centroid;                            // px, mean of the pixel centres (x + 0.5)
};

// Largest first; equal areas by (y0, x0). Components smaller than `min_area` pixels are left out.
std::vector<Component> find_components(const Image& mask, int min_area = 1);

enum class Target {
  largest,
  union_box,
  centroid
};  // centre of the largest component's box | of the union box | mask centroid
Target parse_target(const std::string& name);  // "largest" | "union" | "centroid"; throws UserError(usage)

// (x, y) fractions of the image extent; `has_point` is false for an empty mask and for an unchanged pair, whatever its
// mask says (then x, y are 0.5 and are masked out of losses and scores). a = 1 (zoom and capture) when the pair is
// changed, else 0 (hover).
struct ActionTarget {
  double x = 0.5, y = 0.5;
  int a = 0;
  bool has_point = false;
};
// `mask` gives the extent, `components` (find_components of it) the places.
ActionTarget make_action_target(const Image& mask, const std::vector<Component>& components, Target target,
                                int changeflag);

// The change flag against the mask. A mask marks buildings (LEVIR-CD) or buildings and roads (LEVIR-MCI) only, so a
// changed pair with an empty mask (a tree was felled) is no contradiction; an unchanged pair with a marked change is
// one. What training and scoring do with each:
//   agrees       everything is used
//   unmarked     flag 1, empty mask: captions and flag are used; the map does not learn from it, there is no point
//   contradicts  flag 0, marked change: captions and flag are used, the mask and the action target are not
enum class Agreement { agrees, unmarked, contradicts };
Agreement flag_against_mask(int changeflag, bool mask_is_empty);
const char* agreement_name(Agreement agreement);

}  // namespace cp
