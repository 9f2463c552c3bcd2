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

struct Ranked {
  int side;
  std::vector<double> weight;  // sums to 1
  std::vector<int> order;      // falling
};

Ranked rank_cells(std::span<const float> map) {
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(map.size()))));
  CP_CHECK(!map.empty() && map.size() == static_cast<std::size_t>(side) * static_cast<std::size_t>(side),
           "region: the map is not square");
  Ranked r{side, gaussian_smooth(probabilities(map), side, side, 2.0), std::vector<int>(map.size())};
  for (double& w : r.weight) w += 1e-6;
  const double total = std::accumulate(r.weight.begin(), r.weight.end(), 0.0);
  for (double& w : r.weight) w /= total;
  std::iota(r.order.begin(), r.order.end(), 0);
  std::stable_sort(r.order.begin(), r.order.end(), [&](int a, int b) {
    return r.weight[static_cast<std::size_t>(a)] > r.weight[static_cast<std::size_t>(b)];
  });
  return r;
}

// A corner of the grid and the direction in which an outline leaves it: 0 right, 1 down, 2 left, 3 up.
struct Edge {
  int x, y, direction;
  bool operator<(const Edge& o) const { return std::tie(y, x, direction) < std::tie(o.y, o.x, o.direction); }
};
constexpr int kStep[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};

}  // namespace

Region find_region(std::span<const float> map, double threshold, double level) {
  const Ranked ranked = rank_cells(map);
  Region region;
  region.level = level;
  double sum = 0;
  for (const int cell : ranked.order) {
    region.cells.push_back(cell);
    sum += ranked.weight[static_cast<std::size_t>(cell)];
    if (sum >= threshold) break;
  }
  region.share = static_cast<double>(region.cells.size()) / static_cast<double>(map.size());
  region.polygons = outlines(region.cells, ranked.side);
  return region;
}

double region_score(std::span<const float> map, Point target) {
  const Ranked ranked = rank_cells(map);
  const auto index = [&](double v) { return std::clamp(static_cast<int>(v * ranked.side), 0, ranked.side - 1); };
  const int wanted = index(target.y) * ranked.side + index(target.x);
  double sum = 0;
  for (const int cell : ranked.order) {
    sum += ranked.weight[static_cast<std::size_t>(cell)];
    if (cell == wanted) break;
  }
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
