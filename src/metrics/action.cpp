#include "metrics/action.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "metrics/ratio.h"

namespace cp {
namespace {

// Pixel that holds the fraction; NaN and anything outside go to the edge.
int pixel_of(double fraction, int extent) {
  if (!(fraction > 0)) return 0;
  return static_cast<int>(std::min(std::floor(fraction * extent), extent - 1.0));
}

double distance(Point a, Point b) { return std::hypot(a.x - b.x, a.y - b.y); }

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

double energy_score(std::span<const Point> samples, Point truth) {
  if (samples.empty()) return kNotMeasured;
  double to_truth = 0, between = 0;  // `between` over pairs i < j: half of all ordered ones
  for (std::size_t i = 0; i < samples.size(); ++i) {
    to_truth += distance(samples[i], truth);
    for (std::size_t j = 0; j < i; ++j) between += distance(samples[i], samples[j]);
  }
  const auto n = static_cast<double>(samples.size());
  return to_truth / n - between / (n * n);
}

PointScore score_point(const Image& mask, const std::vector<Component>& components, Point predicted, Point target,
                       std::span<const Point> samples) {
  const double dx = predicted.x - target.x, dy = predicted.y - target.y;
  PointScore score;
  score.hits = point_hits(mask, components, predicted);
  score.squared = (dx * dx + dy * dy) / 2;
  score.absolute = (std::abs(dx) + std::abs(dy)) / 2;
  score.error_px = std::hypot(dx * mask.width, dy * mask.height);
  score.energy = energy_score(samples, target);
  return score;
}

ActionScores action_scores(std::span<const PointScore> points, Picks picks) {
  ActionScores s;
  std::vector<double> errors;
  errors.reserve(picks.size());
  for (const std::size_t pick : picks) {
    const PointScore& point = points[pick];
    s.sr_mask += point.hits.mask;
    s.sr_largest += point.hits.largest;
    s.sr_union += point.hits.union_box;
    s.sr_any += point.hits.any;
    s.mse += point.squared;
    s.mae += point.absolute;
    s.energy_score += point.energy;
    errors.push_back(point.error_px);
  }
  const auto n = static_cast<double>(picks.size());
  for (double* sum : {&s.sr_mask, &s.sr_largest, &s.sr_union, &s.sr_any, &s.mse, &s.mae, &s.energy_score})
    *sum = ratio(*sum, n);
  s.median_error_px = errors.empty() ? kNotMeasured : quantile(errors, 0.5);
  s.p90_error_px = errors.empty() ? kNotMeasured : quantile(std::move(errors), 0.9);
  return s;
}

}  // namespace cp
