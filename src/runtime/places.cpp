#include "runtime/places.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/norm.h"

namespace cp {
namespace {

// -(x - alpha g)^2 / (2 variance) over the cells of one axis, the largest of them 0.
void axis_exponents(double x, double alpha, double variance, std::span<float> out) {
  const int side = static_cast<int>(out.size());
  double nearest = INFINITY;
  for (int i = 0; i < side; ++i) nearest = std::min(nearest, std::abs(x - alpha * cell_centre(i, side)));
  const double share = 1 / (2 * variance);
  for (int i = 0; i < side; ++i) {
    const double d = x - alpha * cell_centre(i, side);
    out[static_cast<std::size_t>(i)] = static_cast<float>((nearest * nearest - d * d) * share);
  }
}

}  // namespace

Places::Places(std::span<const float> evidence, double spread, double action_logit, double action_spread)
    : side_(static_cast<int>(std::lround(std::sqrt(static_cast<double>(evidence.size()))))),
      spread_(spread),
      action_logit_(action_logit),
      action_spread_(action_spread) {
  CP_CHECK(!evidence.empty() && evidence.size() == static_cast<std::size_t>(side_) * static_cast<std::size_t>(side_),
           "Places: the grid is not square");
  const double most = *std::max_element(evidence.begin(), evidence.end());
  for (const float e : evidence) weight_.push_back(static_cast<float>(std::exp(std::max(kFloor, e - most))));
  by_column_ = pack_transposed(weight_, side_, side_);
}

void Places::clean(std::span<const float> x, double alpha, double sigma, std::span<float> x0) const {
  CP_CHECK(x.size() % 3 == 0 && x0.size() == x.size(), "Places: x is not N x 3");
  const auto side = static_cast<std::size_t>(side_);
  const double variance = alpha * alpha * spread_ * spread_ + sigma * sigma;
  const double k = alpha * spread_ * spread_ / variance;
  const double action_variance = alpha * alpha * action_spread_ * action_spread_ + sigma * sigma;
  const double action_k = alpha * action_spread_ * action_spread_ / action_variance;
  // Of each row of the grid the sum of its weights, seen from x, and their moment: one product for all draws.
  const std::size_t draws = x.size() / 3, values = draws * side;
  std::vector<float> across(2 * values), down(values), sums(2 * values);
  for (std::size_t draw = 0; draw < draws; ++draw) {
    axis_exponents(x[3 * draw], alpha, variance, std::span(across).subspan(draw * side, side));
    axis_exponents(x[3 * draw + 1], alpha, variance, std::span(down).subspan(draw * side, side));
  }
  exponential(std::span(across).first(values));
  exponential(down);
  std::vector<float> centre(side);
  for (std::size_t i = 0; i < side; ++i) centre[i] = static_cast<float>(cell_centre(static_cast<int>(i), side_));
  for (std::size_t i = 0; i < values; ++i) across[values + i] = across[i] * centre[i % side];
  gemm(across, static_cast<int>(2 * draws), by_column_, {}, sums);
  for (std::size_t n = 0; n < x.size(); n += 3) {
    const float* const of_down = down.data() + n / 3 * side;
    const float* const sum = sums.data() + n / 3 * side;
    const float* const moment = sum + values;
    double total = 0, u = 0, v = 0;
    for (std::size_t row = 0; row < side; ++row) {
      const double both = static_cast<double>(of_down[row]) * sum[row];
      total += both;
      u += static_cast<double>(of_down[row]) * moment[row];
      v += both * centre[row];
    }
    x0[n] = static_cast<float>((1 - k * alpha) * u / total + k * x[n]);
    x0[n + 1] = static_cast<float>((1 - k * alpha) * v / total + k * x[n + 1]);
    // Two places: the log-odds of +1 given x are logit + 2 alpha x / variance, their mean is tanh of half of it.
    const double mean = std::tanh(action_logit_ / 2 + alpha * x[n + 2] / action_variance);
    x0[n + 2] = static_cast<float>((1 - action_k * alpha) * mean + action_k * x[n + 2]);
  }
}

void Places::draw(Rng& rng, std::span<float, 3> action) const {
  double total = 0;
  for (const float w : weight_) total += w;
  double left = rng.uniform() * total;
  std::size_t cell = 0;
  while (cell + 1 < weight_.size() && left >= weight_[cell]) left -= weight_[cell++];
  const auto side = static_cast<std::size_t>(side_);
  const auto near = [&](double centre, double sd) { return static_cast<float>(centre + sd * rng.normal()); };
  action[0] = std::clamp(near(cell_centre(static_cast<int>(cell % side), side_), spread_), -1.f, 1.f);
  action[1] = std::clamp(near(cell_centre(static_cast<int>(cell / side), side_), spread_), -1.f, 1.f);
  const double b = rng.uniform() < 1 / (1 + std::exp(-action_logit_)) ? 1 : -1;
  action[2] = std::clamp(near(b, action_spread_), -1.f, 1.f);
}

void Places::mean(std::span<float, 3> action) const {
  const auto side = static_cast<std::size_t>(side_);
  double total = 0, u = 0, v = 0;
  for (std::size_t cell = 0; cell < weight_.size(); ++cell) {
    total += weight_[cell];
    u += weight_[cell] * cell_centre(static_cast<int>(cell % side), side_);
    v += weight_[cell] * cell_centre(static_cast<int>(cell / side), side_);
  }
  action[0] = static_cast<float>(u / total);
  action[1] = static_cast<float>(v / total);
  action[2] = static_cast<float>(std::tanh(action_logit_ / 2));
}

}  // namespace cp
