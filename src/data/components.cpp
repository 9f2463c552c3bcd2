#include "data/components.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace cp {
namespace {

// Value 1 (0/1 masks) and unknown values say "changed" and nothing about what.
ChangeClass class_of_value(std::uint8_t value) {
  if (value == 128) return ChangeClass::road;
  if (value == 255) return ChangeClass::building;
  return ChangeClass::change;
}

// Sums over the pixels of one component.
struct Growing {
  int x0, y0, x1, y1;  // inclusive
  int area = 0;
  double sum_x = 0, sum_y = 0;           // of pixel indices
  std::array<int, 3> pixels_of_class{};  // by ChangeClass
};

Component finish(const Growing& g) {
  Component c;
  c.kind = ChangeClass::building;
  for (const ChangeClass other : {ChangeClass::road, ChangeClass::change})
    if (g.pixels_of_class[static_cast<std::size_t>(other)] > g.pixels_of_class[static_cast<std::size_t>(c.kind)])
      c.kind = other;
  c.box = {static_cast<double>(g.x0), static_cast<double>(g.y0), g.x1 + 1.0, g.y1 + 1.0};
  c.area = g.area;
  c.centroid = {g.sum_x / g.area + 0.5, g.sum_y / g.area + 0.5};
  return c;
}

}  // namespace

const char* change_class_name(ChangeClass c) {
  switch (c) {
    case ChangeClass::change:
      return "change";
    case ChangeClass::road:
      return "road";
    case ChangeClass::building:
      return "building";
  }
  return "change";
}

std::vector<Component> find_components(const Image& mask, int min_area) {
  CP_CHECK(mask.channels == 1, fmt::format("a mask has one channel, found {}", mask.channels));
  const int width = mask.width, height = mask.height;
  std::vector<Component> found;
  std::vector<std::uint8_t> visited(mask.pixels.size(), 0);
  std::vector<int>
      open;  // pixels reached and not yet looked at: an own stack, so that no mask can exhaust the call stack
  for (int start = 0; start < width * height; ++start) {
    if (mask.pixels[static_cast<std::size_t>(start)] == 0 || visited[static_cast<std::size_t>(start)]) continue;
    Growing g{start % width, start / width, start % width, start / width};
    visited[static_cast<std::size_t>(start)] = 1;
    open.push_back(start);
    while (!open.empty()) {
      const int here = open.back(), x = here % width, y = here / width;
      open.pop_back();
      g.x0 = std::min(g.x0, x), g.x1 = std::max(g.x1, x), g.y0 = std::min(g.y0, y), g.y1 = std::max(g.y1, y);
      ++g.area;
      g.sum_x += x, g.sum_y += y;
      ++g.pixels_of_class[static_cast<std::size_t>(class_of_value(mask.pixels[static_cast<std::size_t>(here)]))];
      for (int ny = std::max(y - 1, 0); ny <= std::min(y + 1, height - 1); ++ny)
        for (int nx = std::max(x - 1, 0); nx <= std::min(x + 1, width - 1); ++nx) {
          const auto next =
              static_cast<std::size_t>(ny) * static_cast<std::size_t>(width) + static_cast<std::size_t>(nx);
          if (mask.pixels[next] == 0 || visited[next]) continue;
          visited[next] = 1;
          open.push_back(static_cast<int>(next));
        }
    }
    if (g.area >= min_area) found.push_back(finish(g));
  }
  std::stable_sort(found.begin(), found.end(), [](const Component& a, const Component& b) {
    if (a.area != b.area) return a.area > b.area;
    return a.box.y0 != b.box.y0 ? a.box.y0 < b.box.y0 : a.box.x0 < b.box.x0;
  });
  return found;
}

Target parse_target(const std::string& name) {
  if (name == "largest") return Target::largest;
  if (name == "union") return Target::union_box;
  if (name == "centroid") return Target::centroid;
  throw UserError(
      ErrorKind::usage, "target", fmt::format("wanted largest, union or centroid, found \"{}\".", name),
      "largest: centre of the largest component's box; union: of the box round all; centroid: mean of the mask.");
}

ActionTarget make_action_target(const Image& mask, const std::vector<Component>& components, Target target,
                                int changeflag) {
  ActionTarget action;
  action.a = changeflag;
  if (changeflag == 0 || components.empty()) return action;
  CP_CHECK(mask.width > 0 && mask.height > 0, "components come from a mask of this extent");

  Point place;  // px
  if (target == Target::largest) {
    place = components.front().box.center();
  } else if (target == Target::union_box) {
    Box all = components.front().box;
    for (const Component& c : components)
      all = {std::min(all.x0, c.box.x0), std::min(all.y0, c.box.y0), std::max(all.x1, c.box.x1),
             std::max(all.y1, c.box.y1)};
    place = all.center();
  } else {
    double area = 0;
    for (const Component& c : components) {
      area += c.area;
      place.x += c.area * c.centroid.x;
      place.y += c.area * c.centroid.y;
    }
    place = {place.x / area, place.y / area};
  }
  action.x = place.x / mask.width;
  action.y = place.y / mask.height;
  action.has_point = true;
  return action;
}

Agreement flag_against_mask(int changeflag, bool mask_is_empty) {
  if (changeflag == 0) return mask_is_empty ? Agreement::agrees : Agreement::contradicts;
  return mask_is_empty ? Agreement::unmarked : Agreement::agrees;
}

const char* agreement_name(Agreement agreement) {
  switch (agreement) {
    case Agreement::agrees:
      return "agrees";
    case Agreement::unmarked:
      return "unmarked";
    case Agreement::contradicts:
      return "contradicts";
  }
  return "agrees";
}

}  // namespace cp
