#include "runtime/region.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>

#include "core/error.h"
#include "runtime/smooth.h"

namespace cp {

namespace {

// Cells by falling weight, to twelve decimals: cells that are equal but for the rounding of their sums come in their
// order, on every machine.
std::vector<int> rank_cells(std::span<const double> weights) {
  std::vector<int> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](int cell) { return std::round(weights[static_cast<std::size_t>(cell)] * 1e12); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return rank(a) > rank(b); });
  return order;
}

// Every weight plus `floor`, then divided by their sum.
std::vector<double> normalised(std::vector<double> weights, double floor) {
  for (double& w : weights) w += floor;
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& w : weights) w /= total;
  return weights;
}

// How many of the ranked cells it takes to reach `threshold`.
std::size_t reach(std::span<const double> weights, const std::vector<int>& order, double threshold) {
  double sum = 0;
  for (std::size_t n = 0; n < order.size(); ++n) {
    sum += weights[static_cast<std::size_t>(order[n])];
    if (sum >= threshold) return n + 1;
  }
  return order.size();
}

std::size_t place_of(const std::vector<int>& order, int side, Point target) {
  const auto index = [side](double v) { return std::clamp(static_cast<int>(v * side), 0, side - 1); };
  const int wanted = index(target.y) * side + index(target.x);
  return static_cast<std::size_t>(std::find(order.begin(), order.end(), wanted) - order.begin());
}

// A corner of the grid and the direction in which an outline leaves it: 0 right, 1 down, 2 left, 3 up.
struct Edge {
  int x, y, direction;
  bool operator<(const Edge& o) const { return std::tie(y, x, direction) < std::tie(o.y, o.x, o.direction); }
};
constexpr int kStep[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};

}  // namespace

std::vector<double> place_weights(std::span<const float> samples, std::span<const float> map, double map_share) {
  constexpr double kFloor = 1e-6;  // every cell has its place in the order and its share
  const int side = side_of(map.size());
  std::vector<double> seen = gaussian_smooth(probabilities(map), side, side, 2.0);
  if (map_share == 1) return normalised(std::move(seen), kFloor);
  seen = normalised(std::move(seen), 0);
  std::vector<double> weights = normalised(sample_density(samples, side), 0);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = (1 - map_share) * weights[i] + map_share * seen[i];
  return normalised(std::move(weights), kFloor);
}

Region find_region(std::span<const double> weights, double threshold, double level) {
  const int side = side_of(weights.size());
  Region region;
  region.level = level;
  region.cells = rank_cells(weights);
  region.cells.resize(reach(weights, region.cells, threshold));
  region.share = static_cast<double>(region.cells.size()) / static_cast<double>(weights.size());
  region.polygons = outlines(region.cells, side);
  return region;
}

std::vector<int> region_cells(std::span<const double> weights, std::span<const double> thresholds) {
  const std::vector<int> order = rank_cells(weights);
  std::vector<int> counts;
  for (const double threshold : thresholds) counts.push_back(static_cast<int>(reach(weights, order, threshold)));
  return counts;
}

int cells_before(std::span<const double> weights, Point target) {
  return static_cast<int>(place_of(rank_cells(weights), side_of(weights.size()), target));
}

double region_score(std::span<const double> weights, Point target) {
  const std::vector<int> order = rank_cells(weights);
  const std::size_t last = place_of(order, side_of(weights.size()), target);
  double sum = 0;
  for (std::size_t n = 0; n <= last; ++n) sum += weights[static_cast<std::size_t>(order[n])];
  return sum;
}

std::vector<std::vector<Point>> outlines(const std::vector<int>& cells, int side) {
  std::vector<bool> inside(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
  for (const int cell : cells) inside[static_cast<std::size_t>(cell)] = true;
  const auto holds = [&](int x, int y) {
    return x >= 0 && x < side && y >= 0 && y < side && inside[static_cast<std::size_t>(y * side + x)];
  };
  // Every border between a cell of the set and its outside, walked with the set on the right hand.
  std::map<Edge, bool> edges;  // -> already walked
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      if (!holds(x, y)) continue;
      if (!holds(x, y - 1)) edges[{x, y, 0}] = false;
      if (!holds(x + 1, y)) edges[{x + 1, y, 1}] = false;
      if (!holds(x, y + 1)) edges[{x + 1, y + 1, 2}] = false;
      if (!holds(x - 1, y)) edges[{x, y + 1, 3}] = false;
    }
  std::vector<std::vector<Point>> polygons;
  for (auto& [start, walked] : edges) {
    if (walked) continue;
    std::vector<Point> polygon;
    Edge at = start;
    do {
      edges[at] = true;
      const int x = at.x + kStep[at.direction][0], y = at.y + kStep[at.direction][1];
      // Turning right first keeps cells that touch in a corner apart.
      for (const int turn : {1, 0, 3}) {
        const Edge next{x, y, (at.direction + turn) % 4};
        if (!edges.count(next)) continue;
        if (turn != 0) polygon.push_back({static_cast<double>(x) / side, static_cast<double>(y) / side});
        at = next;
        break;
      }
    } while (at.x != start.x || at.y != start.y || at.direction != start.direction);
    polygons.push_back(std::move(polygon));
  }
  return polygons;
}

}  // namespace cp
