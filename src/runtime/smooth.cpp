#include "runtime/smooth.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cp {

namespace {

// Index of what stands at `i` when a row of n is reflected again and again, its ends repeated.
int reflected(int i, int n) {
  const int period = 2 * n;
  i = (i % period + period) % period;
  return i < n ? i : period - 1 - i;
}

// Filters lines of `length` values `step` apart; line l of `count` starts at l * line_step.
std::vector<double> filter_lines(const std::vector<double>& x, const std::vector<double>& kernel, int count,
                                 int line_step, int length, int step) {
  const int radius = static_cast<int>(kernel.size() / 2);
  std::vector<double> y(x.size());
  for (int line = 0; line < count; ++line)
    for (int i = 0; i < length; ++i) {
      double sum = 0;
      for (int k = -radius; k <= radius; ++k)
        sum += kernel[static_cast<std::size_t>(k + radius)] *
               x[static_cast<std::size_t>(line * line_step + reflected(i + k, length) * step)];
      y[static_cast<std::size_t>(line * line_step + i * step)] = sum;
    }
  return y;
}

}  // namespace

int side_of(std::size_t cells) {
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(cells))));
  CP_CHECK(cells > 0 && cells == static_cast<std::size_t>(side) * static_cast<std::size_t>(side),
           "a map is not square");
  return side;
}

std::vector<double> probabilities(std::span<const float> logits) {
  std::vector<double> q;
  q.reserve(logits.size());
  for (const float h : logits) q.push_back(1 / (1 + std::exp(-static_cast<double>(h))));
  return q;
}

std::vector<double> gaussian_smooth(const std::vector<double>& map, int height, int width, double sigma) {
  CP_CHECK(map.size() == static_cast<std::size_t>(height) * static_cast<std::size_t>(width) && sigma > 0,
           "gaussian_smooth: sizes");
  const int radius = static_cast<int>(4 * sigma + 0.5);
  std::vector<double> kernel;
  double total = 0;
  for (int k = -radius; k <= radius; ++k) {
    kernel.push_back(std::exp(-0.5 * k * k / (sigma * sigma)));
    total += kernel.back();
  }
  for (double& v : kernel) v /= total;
  const std::vector<double> down = filter_lines(map, kernel, width, 1, height, width);
  return filter_lines(down, kernel, height, width, width, 1);
}

int cell_of(float u, int side) {
  const float inside = std::clamp(u, -1.f, 1.f);  // before it becomes a whole number: huge ones have none
  return std::clamp(static_cast<int>((inside + 1) / 2 * static_cast<float>(side)), 0, side - 1);
}

std::vector<double> sample_density(std::span<const float> samples, int side) {
  CP_CHECK(!samples.empty() && samples.size() % 3 == 0, "sample_density: samples are not N x 3");
  std::vector<double> share(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
  for (std::size_t i = 0; i < samples.size(); i += 3)
    share[static_cast<std::size_t>(cell_of(samples[i + 1], side) * side + cell_of(samples[i], side))] +=
        3.0 / static_cast<double>(samples.size());
  return gaussian_smooth(share, side, side, 2.0);
}

}  // namespace cp
