#include "runtime/action_head.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "kernels/norm.h"
#include "runtime/smooth.h"

namespace cp {

namespace {

constexpr int kQueries = 4, kKey = 64;
constexpr int kTime = 128;  // width of the embedding of a timestep
constexpr int kWidths[5] = {3 + kTime + ActionHead::kCondition, 256, 512, 256, 3};
constexpr const char* kNames[4] = {"denoiser.0", "denoiser.2", "denoiser.4", "denoiser.6"};

int out_width(bool attends, int hidden) { return attends ? kQueries * kKey + kQueries * 2 + hidden : hidden; }

}  // namespace

std::vector<float> start_noise(std::uint64_t seed, int count) {
  Rng rng(seed, Stream::start_noise);
  std::vector<float> noise(static_cast<std::size_t>(count) * 3);
  for (float& v : noise) v = static_cast<float>(rng.normal());
  return noise;
}

Parameters ActionHead::parameters(const std::string& condition, int hidden) {
  const bool attends = condition == "visual_attention";
  if (!attends && condition != "last_token")
    throw UserError(ErrorKind::model, "head.condition",
                    "wanted visual_attention or last_token, found \"" + condition + "\"",
                    "Other conditions are not in this version.");
  Parameters p;
  if (attends) {
    p.normal("condition.query", {kQueries, kKey}, 0.1);
    p.linear("condition.key", hidden, kKey);
    p.linear("condition.value", hidden, kKey);
  }
  p.linear("condition.out", out_width(attends, hidden), kCondition);
  p.norm("condition.norm", kCondition);
  for (int i = 0; i < 4; ++i) p.linear(kNames[i], kWidths[i], kWidths[i + 1]);
  return p;
}

ActionHead ActionHead::load(const SafeTensors& file, const std::string& condition, int grid, int hidden) {
  parameters(condition, hidden).expectation().check(file);
  ActionHead h;
  h.attends_ = condition == "visual_attention";
  h.grid_ = grid;
  h.hidden_ = hidden;
  if (h.attends_) {
    h.query_ = load_floats(file, "condition.query", {kQueries, kKey});
    h.key_ = load_linear(file, "condition.key", kKey, hidden);
    h.value_ = load_linear(file, "condition.value", kKey, hidden);
  }
  h.out_ = load_linear(file, "condition.out", kCondition, out_width(h.attends_, hidden));
  h.norm_ = load_norm(file, "condition.norm", kCondition);
  for (int i = 0; i < 4; ++i) h.denoiser_[i] = load_linear(file, kNames[i], kWidths[i + 1], kWidths[i]);
  return h;
}

std::vector<float> ActionHead::condition(std::span<const float> prompt, int visual_begin) const {
  const std::size_t d = static_cast<std::size_t>(hidden_),
                    cells = static_cast<std::size_t>(grid_) * static_cast<std::size_t>(grid_);
  const std::size_t begin = static_cast<std::size_t>(visual_begin) * d;
  CP_CHECK(prompt.size() % d == 0 && prompt.size() >= begin + cells * d,
           "ActionHead: the prompt is not T x D, or too short");
  const std::span<const float> last = prompt.last(d);
  std::vector<float> joined;
  if (attends_) {
    const std::span<const float> grid = prompt.subspan(begin, cells * d);
    const std::vector<float> keys = key_(grid), values = value_(grid);  // (16 64) each
    std::vector<float> mixed(kQueries * kKey), places(kQueries * 2), weights(cells);
    for (std::size_t q = 0; q < kQueries; ++q) {
      for (std::size_t n = 0; n < cells; ++n) weights[n] = dot(query_.data() + q * kKey, keys.data() + n * kKey, kKey);
      softmax(weights, static_cast<int>(cells));
      for (std::size_t n = 0; n < cells; ++n) {
        axpy(weights[n], values.data() + n * kKey, mixed.data() + q * kKey, kKey);
        const float column = static_cast<float>(n % static_cast<std::size_t>(grid_));
        const float row = static_cast<float>(n / static_cast<std::size_t>(grid_));
        places[2 * q] += weights[n] * ((column + 0.5f) / static_cast<float>(grid_) * 2 - 1);
        places[2 * q + 1] += weights[n] * ((row + 0.5f) / static_cast<float>(grid_) * 2 - 1);
      }
    }
    joined.insert(joined.end(), mixed.begin(), mixed.end());
    joined.insert(joined.end(), places.begin(), places.end());
  }
  joined.insert(joined.end(), last.begin(), last.end());
  std::vector<float> c = out_(joined);
  layer_norm(c, kCondition, norm_.weight, norm_.bias, 1e-5f);
  return c;
}

void ActionHead::denoise(std::span<const float> x, int t, std::span<const float> condition,
                         std::span<float> eps) const {
  CP_CHECK(x.size() % 3 == 0 && eps.size() == x.size() && condition.size() == kCondition, "ActionHead: x is not N x 3");
  std::vector<float> shared(kTime);  // e(t), then c: the same for every row
  for (int i = 0; i < kTime / 2; ++i) {
    const double angle = t * std::pow(10000.0, -static_cast<double>(i) / (kTime / 2));
    shared[static_cast<std::size_t>(i)] = static_cast<float>(std::sin(angle));
    shared[static_cast<std::size_t>(i + kTime / 2)] = static_cast<float>(std::cos(angle));
  }
  shared.insert(shared.end(), condition.begin(), condition.end());
  std::vector<float> h;
  for (std::size_t row = 0; row < x.size(); row += 3) {
    h.insert(h.end(), x.begin() + static_cast<std::ptrdiff_t>(row), x.begin() + static_cast<std::ptrdiff_t>(row) + 3);
    h.insert(h.end(), shared.begin(), shared.end());
  }
  for (int i = 0; i < 4; ++i) {
    h = denoiser_[i](h);
    if (i < 3) silu(h);
  }
  std::copy(h.begin(), h.end(), eps.begin());
}

std::vector<float> ActionHead::samples(std::span<const float> condition, const Sampling& how, std::vector<float> noise,
                                       std::uint64_t seed, const StepObserver& observer) const {
  Rng rng(seed, Stream::diffusion_noise);
  const Denoiser denoiser = [&](std::span<const float> x, int t, std::span<float> eps) {
    denoise(x, t, condition, eps);
  };
  sample(denoiser, how.alphas, how.timesteps, how.options, rng, noise, observer);
  return noise;
}

std::vector<float> density_map(std::span<const float> samples, int side) {
  std::vector<float> map;
  for (const double q : sample_density(samples, side)) {
    const double inside = std::clamp(q, 1e-6, 1 - 1e-6);
    map.push_back(static_cast<float>(std::log(inside / (1 - inside))));
  }
  return map;
}

Point snap_to_map(Point point, std::span<const float> map, double sigma) {
  if (sigma == 0) return point;
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(map.size()))));
  CP_CHECK(map.size() == static_cast<std::size_t>(side) * static_cast<std::size_t>(side),
           "snap_to_map: the map is not square");
  Point best = point;
  double most = -std::numeric_limits<double>::infinity();
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column) {
      const Point cell{2 * (column + 0.5) / side - 1, 2 * (row + 0.5) / side - 1};
      const double q = 1 / (1 + std::exp(-static_cast<double>(map[static_cast<std::size_t>(row * side + column)])));
      const double du = cell.x - point.x, dv = cell.y - point.y;
      const double score = std::log(q + 1e-6) - (du * du + dv * dv) / (2 * sigma * sigma);
      if (score > most) {
        most = score;
        best = cell;
      }
    }
  return best;
}

}  // namespace cp
