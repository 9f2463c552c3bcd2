#include "runtime/change_list.h"

#include <algorithm>
#include <cmath>

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

Change describe(const std::vector<int>& cells, const std::vector<double>& q, int side) {
  Change change;
  std::vector<double> alone(q.size());
  int top = side, bottom = 0, left = side, right = 0;
  for (const int cell : cells) {
    alone[static_cast<std::size_t>(cell)] = q[static_cast<std::size_t>(cell)];
    change.mass += q[static_cast<std::size_t>(cell)];
    top = std::min(top, cell / side);
    bottom = std::max(bottom, cell / side + 1);
    left = std::min(left, cell % side);
    right = std::max(right, cell % side + 1);
  }
  const double s = side;
  change.box = {left / s, top / s, right / s, bottom / s};
  change.cells = static_cast<int>(cells.size());
  const std::vector<double> smooth = gaussian_smooth(alone, side, side, 1.0);
  const int peak = static_cast<int>(std::max_element(smooth.begin(), smooth.end()) - smooth.begin());
  change.x = (peak % side + 0.5) / s;
  change.y = (peak / side + 0.5) / s;
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
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(map.size()))));
  CP_CHECK(!map.empty() && map.size() == static_cast<std::size_t>(side) * static_cast<std::size_t>(side),
           "find_changes: the map is not square");
  const std::vector<double> q = probabilities(map);
  std::vector<Change> changes;
  for (const std::vector<int>& cells : change_components(q, side)) changes.push_back(describe(cells, q, side));
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return a.mass > b.mass; });
  return changes;
}

}  // namespace cp
