#include "runtime/modes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace cp {

namespace {

constexpr double kWidth = 0.12;                  // of the kernel, in units of [-1, 1]: .06 of the image
constexpr int kSteps = 15;                       // of the mean shift
constexpr double kMerge = 0.7 * kWidth;          // points that end nearer than this are one mode
constexpr double kFiner[] = {0.09, 0.07, 0.05};  // widths that refine a mode
constexpr int kFinerSteps = 6;                   // with each of them

double squared_distance(const Point& a, const Point& b) {
  const double dx = a.x - b.x, dy = a.y - b.y;
  return dx * dx + dy * dy;
}

// The samples' mean as `from` weighs them, and the mean of the weights. The point stays where no sample is near it.
struct Shifted {
  Point to;
  double density;
};
Shifted shift(const Point& from, const std::vector<Point>& samples, double width) {
  double total = 0, x = 0, y = 0;
  for (const Point& s : samples) {
    const double weight = std::exp(-squared_distance(from, s) / (2 * width * width));
    total += weight;
    x += weight * s.x;
    y += weight * s.y;
  }
  return {total > 0 ? Point{x / total, y / total} : from, total / static_cast<double>(samples.size())};
}

// Flat densities are climbed slowly: what only the refinement brought together is one mode, too.
void add(std::vector<Mode>& modes, Mode mode) {
  for (Mode& denser : modes)
    if (squared_distance(denser.point, mode.point) < kMerge * kMerge) {
      denser.members.insert(denser.members.end(), mode.members.begin(), mode.members.end());
      std::sort(denser.members.begin(), denser.members.end());
      return;
    }
  modes.push_back(std::move(mode));
}

Point climb(Point point, const std::vector<Point>& samples, double width, int steps) {
  for (int i = 0; i < steps; ++i) point = shift(point, samples, width).to;
  return point;
}

}  // namespace

std::vector<Mode> find_modes(std::span<const float> numbers) {
  CP_CHECK(!numbers.empty() && numbers.size() % 3 == 0, "find_modes: samples are not N x 3");
  std::vector<Point> samples, ends;
  for (std::size_t i = 0; i < numbers.size(); i += 3) samples.push_back({numbers[i], numbers[i + 1]});
  std::vector<double> densities;
  for (const Point& sample : samples) {
    ends.push_back(climb(sample, samples, kWidth, kSteps));
    densities.push_back(shift(ends.back(), samples, kWidth).density);
  }
  // Ends of one mode differ in their last digits only; rounded, the first sample speaks for them on every machine.
  const auto rank = [&](std::size_t i) { return std::round(densities[i] * 1e9); };
  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) > rank(b); });

  std::vector<Mode> modes;
  std::vector<bool> taken(samples.size());
  for (const std::size_t i : order) {
    if (taken[i]) continue;
    Mode mode{ends[i], densities[i], 0, {}};
    for (std::size_t j = 0; j < samples.size(); ++j)
      if (!taken[j] && squared_distance(ends[i], ends[j]) < kMerge * kMerge) {
        taken[j] = true;
        mode.members.push_back(j);
      }
    for (const double width : kFiner) mode.point = climb(mode.point, samples, width, kFinerSteps);
    add(modes, std::move(mode));
  }
  for (Mode& mode : modes) mode.mass = static_cast<double>(mode.members.size()) / static_cast<double>(samples.size());
  return modes;
}

}  // namespace cp
