#include "runtime/action_head.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "kernels/norm.h"
#include "runtime/smooth.h"
#include "text/action_text.h"

namespace cp {

namespace {

constexpr int kTime = 128;  // width of the embedding of a timestep
constexpr int kWidths[5] = {3 + kTime + HeadCondition::kWidth, 256, 512, 256, 3};
constexpr const char* kNames[4] = {"denoiser.0", "denoiser.2", "denoiser.4", "denoiser.6"};
constexpr int kRegressor = 256;
constexpr double kActionSpread = 0.1;  // of a heatmap's draws

Evidence::Shape evidence_shape(const HeadShape& s) { return {s.evidence, s.grid, s.hidden}; }

}  // namespace

std::vector<float> start_noise(std::uint64_t seed, int count) {
  Rng rng(seed, Stream::start_noise);
  std::vector<float> noise(static_cast<std::size_t>(count) * 3);
  for (float& v : noise) v = static_cast<float>(rng.normal());
  return noise;
}

Parameters ActionHead::parameters(const HeadShape& s) {
  if (!s.denoises() && s.kind != "regression" && s.kind != "heatmap" && s.kind != "token")
    throw UserError(ErrorKind::model, "head.kind",
                    "wanted diffusion, flow, regression, token or heatmap, found \"" + s.kind + "\"",
                    "Use one of these.");
  Parameters p;
  if (s.kind == "token") {  // the language model writes the action: nothing else to learn
    p.constant("token.bins", {}, kActionBins);
    return p;
  }
  if (s.on_grid()) {
    Evidence::add_parameters(p, evidence_shape(s));
    return p;
  }
  HeadCondition::add_parameters(p, s);
  if (s.denoises()) {
    for (int i = 0; i < 4; ++i) p.linear(kNames[i], kWidths[i], kWidths[i + 1]);
  } else if (s.kind == "regression") {
    p.linear("regressor.0", HeadCondition::kWidth, kRegressor);
    p.linear("regressor.2", kRegressor, 3);
  } else {
    p.linear("places.out", HeadCondition::kWidth, kHeatSide * kHeatSide);
    p.linear("places.action", HeadCondition::kWidth, 1);
    p.constant("places.log_spread", {}, std::log(0.05));
  }
  return p;
}

ActionHead ActionHead::load(const SafeTensors& file, const HeadShape& s) {
  parameters(s).expectation().check(file);
  ActionHead h;
  h.shape_ = s;
  if (s.kind == "token") return h;
  if (s.on_grid()) {
    h.evidence_ = Evidence::load(file, evidence_shape(s));
    return h;
  }
  h.condition_ = HeadCondition::load(file, s);
  if (s.denoises()) {
    for (int i = 0; i < 4; ++i) h.denoiser_[i] = load_linear(file, kNames[i], kWidths[i + 1], kWidths[i]);
  } else if (s.kind == "regression") {
    h.regressor_[0] = load_linear(file, "regressor.0", kRegressor, HeadCondition::kWidth);
    h.regressor_[1] = load_linear(file, "regressor.2", 3, kRegressor);
  } else {
    h.places_ = load_linear(file, "places.out", kHeatSide * kHeatSide, HeadCondition::kWidth);
    h.action_ = load_linear(file, "places.action", 1, HeadCondition::kWidth);
    h.log_spread_ = load_floats(file, "places.log_spread", {})[0];
  }
  return h;
}

ActionHead::Condition ActionHead::condition(const HeadInput& input) const {
  const std::size_t d = static_cast<std::size_t>(shape_.hidden),
                    begin = static_cast<std::size_t>(input.visual_begin) * d;
  const std::size_t cells = static_cast<std::size_t>(shape_.grid) * static_cast<std::size_t>(shape_.grid) * d;
  CP_CHECK(input.prompt.size() % d == 0 && input.prompt.size() >= begin + cells,
           "ActionHead: the prompt is not T x D, or too short");
  Condition c;
  if (shape_.on_grid()) {
    Evidence::Output seen = evidence_(input.prompt.subspan(begin, cells), input.prompt.last(d), input.map, input.flag);
    c.places = Places(seen.places, seen.spread, seen.action_logit, seen.action_spread);
    c.values = std::move(seen.places);
    return c;
  }
  c.values = condition_(input);
  if (shape_.kind == "heatmap")
    c.places =
        Places(places_(c.values), std::exp(static_cast<double>(log_spread_)), action_(c.values)[0], kActionSpread);
  return c;
}

// `t` is a timestep, or a time of a flow times 1000.
void ActionHead::run_denoiser(std::span<const float> x, double t, std::span<const float> condition,
                              std::span<float> out) const {
  std::vector<float> shared(kTime);  // e(t), then c: the same for every row
  for (int i = 0; i < kTime / 2; ++i) {
    const double angle = t * std::pow(10000.0, -static_cast<double>(i) / (kTime / 2));
    shared[static_cast<std::size_t>(i)] = static_cast<float>(std::sin(angle));
    shared[static_cast<std::size_t>(i + kTime / 2)] = static_cast<float>(std::cos(angle));
  }
  shared.insert(shared.end(), condition.begin(), condition.end());
  // The first layer's part of what is shared is computed once; three more products a row.
  shared.insert(shared.begin(), 3, 0.f);
  const std::vector<float> base = denoiser_[0](shared);
  const PackedMatrix& first = denoiser_[0].weight;
  std::vector<float> h;
  h.reserve(x.size() / 3 * base.size());
  for (std::size_t row = 0; row < x.size(); row += 3) {
    h.insert(h.end(), base.begin(), base.end());
    float* to = h.data() + h.size() - base.size();
    for (int p = 0; p < first.panel_count(); ++p, to += PackedMatrix::kPanel)  // widths are multiples of a panel
      for (std::size_t i = 0; i < 3; ++i)
        axpy(x[row + i], first.panel(p) + i * PackedMatrix::kPanel, to, PackedMatrix::kPanel);
  }
  silu(h);
  for (int i = 1; i < 4; ++i) {
    h = denoiser_[i](h);
    if (i < 3) silu(h);
  }
  std::copy(h.begin(), h.end(), out.begin());
}

void ActionHead::denoise(std::span<const float> x, int t, double alpha, const Condition& condition,
                         std::span<float> eps) const {
  CP_CHECK(x.size() % 3 == 0 && eps.size() == x.size(), "ActionHead: x is not N x 3");
  if (!shape_.on_grid()) return run_denoiser(x, t, condition.values, eps);
  const double signal = std::sqrt(alpha), sigma = std::sqrt(1 - alpha);
  condition.places.clean(x, signal, sigma, eps);
  for (std::size_t i = 0; i < x.size(); ++i) eps[i] = static_cast<float>((x[i] - signal * eps[i]) / sigma);
}

// x = (1 - t) action + t noise, so noise - action = (x - action) / t.
void ActionHead::velocity(std::span<const float> x, double t, const Condition& condition, std::span<float> out) const {
  CP_CHECK(x.size() % 3 == 0 && out.size() == x.size(), "ActionHead: x is not N x 3");
  if (!shape_.on_grid()) return run_denoiser(x, 1000 * t, condition.values, out);
  condition.places.clean(x, 1 - t, t, out);
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = static_cast<float>((x[i] - out[i]) / t);
}

std::vector<float> ActionHead::samples(const Condition& condition, const Sampling& how, std::vector<float> noise,
                                       std::uint64_t seed, const StepObserver& observer) const {
  Rng rng(seed, Stream::diffusion_noise);
  if (shape_.kind == "diffusion") {
    const Denoiser denoiser = [&](std::span<const float> x, int t, std::span<float> eps) {
      denoise(x, t, how.alphas[static_cast<std::size_t>(t)], condition, eps);
    };
    sample(denoiser, how.alphas, how.timesteps, how.options, rng, noise, observer);
    return noise;
  }
  if (shape_.kind == "flow") {
    const Velocity field = [&](std::span<const float> x, float t, std::span<float> v) { velocity(x, t, condition, v); };
    sample_flow(field, how.times, how.flow, noise, observer);
    return noise;
  }
  for (std::size_t i = 0; i < noise.size(); i += 3) {
    const std::span<float, 3> to(noise.data() + i, 3);
    if (shape_.kind == "heatmap") {
      condition.places.draw(rng, to);
    } else if (shape_.on_grid()) {
      condition.places.mean(to);
    } else {
      std::vector<float> h = regressor_[0](condition.values);
      silu(h);
      h = regressor_[1](h);
      for (std::size_t k = 0; k < 3; ++k) to[k] = std::tanh(h[k]);
    }
  }
  if (observer) observer(1, noise);
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
