#include "metrics/action.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cp {
namespace {

// Pixel that holds the fraction; NaN and anything outside go to the edge.
int pixel_of(double fraction, int extent) {
  if (!(fraction > 0)) return 0;
  return static_cast<int>(std::min(std::floor(fraction * extent), extent - 1.0));
}

}  // namespace

PointHits point_hits(const Image& mask, const std::vector<Component>& components, Point point) {
  CP_CHECK(mask.channels == 1 && mask.width > 0 && mask.height > 0, "a point needs a mask of one channel");
  CP_CHECK(!components.empty(), "a point needs a component to hit");
  const int x = pixel_of(point.x, mask.width), y = pixel_of(point.y, mask.height);
  const Point centre{x + 0.5, y + 0.5};
  Box all = components.front().box;
  PointHits hits;
  for (const Component& component : components) {
    hits.any = hits.any || component.box.contains(centre);
    all = {std::min(all.x0, component.box.x0), std::min(all.y0, component.box.y0), std::max(all.x1, component.box.x1),
           std::max(all.y1, component.box.y1)};
  }
  hits.mask = *mask.at(x, y) != 0;
  hits.largest = components.front().box.contains(centre);
  hits.union_box = all.contains(centre);
  return hits;
}

void ActionTally::add_point(const PointHits& hits, Point predicted, Point target) {
  ++points_;
  on_mask_ += hits.mask;
  in_largest_ += hits.largest;
  in_union_ += hits.union_box;
  in_any_ += hits.any;
  const double dx = predicted.x - target.x, dy = predicted.y - target.y;
  squared_ += (dx * dx + dy * dy) / 2;
  absolute_ += (std::abs(dx) + std::abs(dy)) / 2;
}

void ActionTally::add_type(int predicted_a, int true_a) {
  ++types_;
  right_types_ += predicted_a == true_a;
}

ActionScores ActionTally::scores() const {
  ActionScores s;
  s.n = points_;
  s.n_type = types_;
  const double points = std::max(1, points_);
  s.sr_mask = on_mask_ / points;
  s.sr_largest = in_largest_ / points;
  s.sr_union = in_union_ / points;
  s.sr_any = in_any_ / points;
  s.mse = squared_ / points;
  s.mae = absolute_ / points;
  s.type_accuracy = right_types_ / static_cast<double>(std::max(1, types_));
  return s;
}

}  // namespace cp
