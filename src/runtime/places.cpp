#include "runtime/places.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace cp {
namespace {

// exp(-(x - alpha g)^2 / (2 variance)) over the cells of one axis, the largest of them 1.
void axis_weights(double x, double alpha, double variance, std::span<float> out) {
  const int side = static_cast<int>(out.size());
  double nearest = INFINITY;
  for (int i = 0; i < side; ++i) nearest = std::min(nearest, std::abs(x - alpha * cell_centre(i, side)));
  for (int i = 0; i < side; ++i) {
    const double d = x - alpha * cell_centre(i, side);
    out[static_cast<std::size_t>(i)] = static_cast<float>(std::exp((nearest * nearest - d * d) / (2 * variance)));
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
}

void Places::clean(std::span<const float> x, double alpha, double sigma, std::span<float> x0) const {
  CP_CHECK(x.size() % 3 == 0 && x0.size() == x.size(), "Places: x is not N x 3");
  const auto side = static_cast<std::size_t>(side_);
  const double variance = alpha * alpha * spread_ * spread_ + sigma * sigma;
  const double k = alpha * spread_ * spread_ / variance;
  const double action_variance = alpha * alpha * action_spread_ * action_spread_ + sigma * sigma;
  const double action_k = alpha * action_spread_ * action_spread_ / action_variance;
  std::vector<float> across(side), down(side);
  for (std::size_t n = 0; n < x.size(); n += 3) {
    axis_weights(x[n], alpha, variance, across);
    axis_weights(x[n + 1], alpha, variance, down);
    double total = 0, u = 0, v = 0;
    for (std::size_t row = 0; row < side; ++row) {
      if (down[row] == 0) continue;
      const float* w = weight_.data() + row * side;
      double sum = 0, moment = 0;
      for (std::size_t column = 0; column < side; ++column) {
        const double both = static_cast<double>(w[column]) * across[column];
        sum += both;
        moment += both * cell_centre(static_cast<int>(column), side_);
      }
      total += down[row] * sum;
      u += down[row] * moment;
      v += down[row] * sum * cell_centre(static_cast<int>(row), side_);
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
