#include "runtime/change_list.h"

#include <algorithm>

#include "core/error.h"
#include "runtime/smooth.h"

namespace cp {

namespace {

// Cells of the 4-connected component that holds `start`; they are cleared in `open`.
std::vector<int> take_component(std::vector<bool>& open, int side, int start) {
  std::vector<int> cells{start};
  open[static_cast<std::size_t>(start)] = false;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const int row = cells[i] / side, column = cells[i] % side;
    const int neighbours[4][2] = {{row - 1, column}, {row + 1, column}, {row, column - 1}, {row, column + 1}};
    for (const auto& [r, c] : neighbours) {
      if (r < 0 || r >= side || c < 0 || c >= side || !open[static_cast<std::size_t>(r * side + c)]) continue;
      open[static_cast<std::size_t>(r * side + c)] = false;
      cells.push_back(r * side + c);
    }
  }
  return cells;
}

struct Found {
  Change change;
  std::vector<int> cells;
};

Found describe(std::vector<int> cells, const std::vector<double>& q, int side) {
  Change change;
  std::vector<double> alone(q.size());
  int top = side, bottom = 0, left = side, right = 0;
  double sum = 0;
  for (const int cell : cells) {
    alone[static_cast<std::size_t>(cell)] = q[static_cast<std::size_t>(cell)];
    sum += q[static_cast<std::size_t>(cell)];
    top = std::min(top, cell / side);
    bottom = std::max(bottom, cell / side + 1);
    left = std::min(left, cell % side);
    right = std::max(right, cell % side + 1);
  }
  const double s = side;
  change.area = sum / (s * s);
  change.box = {left / s, top / s, right / s, bottom / s};
  change.cells = static_cast<int>(cells.size());
  const std::vector<double> smooth = gaussian_smooth(alone, side, side, 1.0);
  const int peak = static_cast<int>(std::max_element(smooth.begin(), smooth.end()) - smooth.begin());
  change.x = (peak % side + 0.5) / s;
  change.y = (peak / side + 0.5) / s;
  return {change, std::move(cells)};
}

// Largest area first.
std::vector<Found> find_components_of(std::span<const float> map, int side) {
  const std::vector<double> q = probabilities(map);
  std::vector<Found> found;
  for (const std::vector<int>& cells : change_components(q, side)) found.push_back(describe(cells, q, side));
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.change.area > b.change.area; });
  return found;
}

constexpr int kReach = 2;  // cells

// The component that holds the point (u, v) or is the nearest within reach; -1: none. `owners` (side side) are
// components' numbers or -1.
int component_at(const Point& point, const std::vector<int>& owners, int side) {
  const int column = cell_of(static_cast<float>(point.x), side), row = cell_of(static_cast<float>(point.y), side);
  int best = -1, nearest = kReach * kReach + 1;
  for (int dy = -kReach; dy <= kReach; ++dy)
    for (int dx = -kReach; dx <= kReach; ++dx) {
      const int x = column + dx, y = row + dy, distance = dx * dx + dy * dy;
      if (x < 0 || x >= side || y < 0 || y >= side || distance > nearest) continue;
      const int owner = owners[static_cast<std::size_t>(y * side + x)];
      if (owner < 0 || (distance == nearest && owner > best)) continue;
      best = owner;
      nearest = distance;
    }
  return best;
}

// A change that the map does not show: the box of the mode's samples, half a cell wider on every side so that one
// sample has one too, inside the image.
Change of_samples(const Mode& mode, std::span<const float> samples, int side) {
  Change change{(mode.point.x + 1) / 2, (mode.point.y + 1) / 2, mode.mass, 0, {}, 0};
  Box box{change.x, change.y, change.x, change.y};
  for (const std::size_t i : mode.members) {
    const double x = (samples[3 * i] + 1.0) / 2, y = (samples[3 * i + 1] + 1.0) / 2;
    box = {std::min(box.x0, x), std::min(box.y0, y), std::max(box.x1, x), std::max(box.y1, y)};
  }
  const double half = 0.5 / side;
  const auto inside = [](double v) { return std::clamp(v, 0.0, 1.0); };
  change.box = {inside(box.x0 - half), inside(box.y0 - half), inside(box.x1 + half), inside(box.y1 + half)};
  return change;
}

}  // namespace

std::vector<std::vector<int>> change_components(const std::vector<double>& q, int side) {
  const double least = std::min(0.5, 0.5 * *std::max_element(q.begin(), q.end()));
  std::vector<bool> open;
  for (const double v : q) open.push_back(v >= least);
  std::vector<std::vector<int>> components;
  for (int cell = 0; cell < side * side; ++cell)
    if (open[static_cast<std::size_t>(cell)]) components.push_back(take_component(open, side, cell));
  return components;
}

std::vector<Change> find_changes(std::span<const float> map) {
  std::vector<Change> changes;
  for (const Found& found : find_components_of(map, side_of(map.size()))) changes.push_back(found.change);
  return changes;
}

std::vector<Change> rank_changes(const std::vector<Mode>& modes, std::span<const float> samples,
                                 std::span<const float> map) {
  const int side = side_of(map.size());
  std::vector<Found> found = find_components_of(map, side);
  std::vector<int> owners(map.size(), -1);
  for (std::size_t k = 0; k < found.size(); ++k)
    for (const int cell : found[k].cells) owners[static_cast<std::size_t>(cell)] = static_cast<int>(k);

  std::vector<Mode> heaviest = modes;
  std::stable_sort(heaviest.begin(), heaviest.end(), [](const Mode& a, const Mode& b) { return a.mass > b.mass; });
  std::vector<Change> changes;
  for (const Mode& mode : heaviest) {
    const int owner = component_at(mode.point, owners, side);
    if (owner < 0) {
      changes.push_back(of_samples(mode, samples, side));
      continue;
    }
    Change& change = found[static_cast<std::size_t>(owner)].change;
    if (change.mass == 0) {
      change.x = (mode.point.x + 1) / 2;
      change.y = (mode.point.y + 1) / 2;
    }
    change.mass += mode.mass;
  }
  for (const Found& component : found) changes.push_back(component.change);
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return a.mass != b.mass ? a.mass > b.mass : a.area > b.area;
  });
  return changes;
}

}  // namespace cp
