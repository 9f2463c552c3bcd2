#include "learn/head_net.h"

#include <cmath>

#include "core/error.h"

namespace cp {
namespace {

constexpr std::int64_t kTime = 128;
constexpr double kActionSpread = 0.1;  // of a heatmap's draws; no loss reads it

// (...) -> (... 128): sines, then cosines, of 64 geometric frequencies from 1 to 1/10000, in the timestep's own unit.
at::Tensor time_embedding(const at::Tensor& t, at::ScalarType dtype) {
  const at::Tensor rates =
      at::exp(at::arange(kTime / 2, t.options().dtype(at::kDouble)) * (-std::log(10000.0) / (kTime / 2)));
  const at::Tensor angles = t.to(at::kDouble).unsqueeze(-1) * rates;
  return at::cat({angles.sin(), angles.cos()}, -1).to(dtype);
}

// (N 2): centres of the cells of a square grid as (x, y) in [-1, 1], row-major.
at::Tensor cell_centres(std::int64_t n, at::ScalarType dtype) {
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(n))));
  CP_CHECK(side * side == n, "the visual grid is not square");
  const at::Tensor axis = (at::arange(side, at::kDouble) + 0.5) / side * 2 - 1;
  return at::stack({axis.repeat({side}), axis.repeat_interleave(side)}, 1).to(dtype);
}

// (B 256)
at::Tensor vector_condition(const ParamSet& p, const std::string& kind, const HiddenBatch& hidden) {
  if (kind == "none") {
    const std::int64_t rows = hidden.last.size(0);
    return p["condition.constant"].unsqueeze(0).expand({rows, -1});
  }
  at::Tensor joined = hidden.last;
  if (kind == "queries") {
    CP_CHECK(hidden.read.defined(), "HeadNet: no states of the readout tokens");
    joined = hidden.read.flatten(1);
  } else if (kind == "pooled") {
    joined = at::cat({hidden.grid.mean(1), hidden.grid.amax(1), hidden.last}, 1);
  } else if (kind == "visual_attention") {
    const at::Tensor keys = p.linear(hidden.grid, "condition.key");                                       // (B N 64)
    const at::Tensor weights = at::softmax(at::einsum("qc,bnc->bqn", {p["condition.query"], keys}), -1);  // (B 4 N)
    const at::Tensor values = at::bmm(weights, p.linear(hidden.grid, "condition.value"));                 // (B 4 64)
    const at::Tensor places =
        at::matmul(weights, cell_centres(hidden.grid.size(1), weights.scalar_type()).to(weights.device()));  // (B 4 2)
    joined = at::cat({values.flatten(1), places.flatten(1), hidden.last}, 1);
  }
  return p.layer_norm(p.linear(joined, "condition.out"), "condition.norm");
}

}  // namespace

HeadNet::HeadNet(std::uint64_t seed, const HeadShape& shape) : params(seed), shape_(shape) {
  params.add(ActionHead::parameters(shape));
}

HeadNet::Condition HeadNet::condition(const HiddenBatch& hidden, double dropout, bool training) const {
  Condition out;
  if (shape_.on_grid()) {
    out.places = evidence_places(params, {shape_.evidence, shape_.grid, shape_.hidden}, hidden, dropout, training);
    return out;
  }
  out.c = vector_condition(params, shape_.condition, hidden);
  if (shape_.kind != "heatmap") return out;
  constexpr std::int64_t side = ActionHead::kHeatSide;
  out.places = {params.linear(out.c, "places.out").view({-1, side, side}),
                params.linear(out.c, "places.action").squeeze(1), params["places.log_spread"].exp(),
                at::full({}, kActionSpread, out.c.options())};
  return out;
}

at::Tensor HeadNet::run_denoiser(const at::Tensor& x, const at::Tensor& t, const at::Tensor& c, double dropout,
                                 bool training) const {
  const at::Tensor shared = c.unsqueeze(1).expand({-1, x.size(1), -1});
  at::Tensor h = at::cat({x, time_embedding(t, x.scalar_type()), shared}, 2);
  h = at::dropout(at::silu(params.linear(h, "denoiser.0")), dropout, training);
  h = at::dropout(at::silu(params.linear(h, "denoiser.2")), dropout, training);
  return params.linear(at::silu(params.linear(h, "denoiser.4")), "denoiser.6");
}

at::Tensor HeadNet::denoise(const at::Tensor& x, const at::Tensor& t, const at::Tensor& alpha,
                            const Condition& condition, double dropout, bool training) const {
  if (!shape_.on_grid()) return run_denoiser(x, t, condition.c, dropout, training);
  const at::Tensor signal = alpha.sqrt(), sigma = (1 - alpha).sqrt();
  return (x - signal * condition.places.clean(x, signal, sigma)) / sigma;
}

at::Tensor HeadNet::velocity(const at::Tensor& x, const at::Tensor& t, const Condition& condition, double dropout,
                             bool training) const {
  if (!shape_.on_grid()) return run_denoiser(x, (1000 * t).squeeze(2), condition.c, dropout, training);
  return (x - condition.places.clean(x, 1 - t, t)) / t;
}

at::Tensor HeadNet::regress(const Condition& condition) const {
  if (shape_.on_grid()) return condition.places.mean();
  return params.linear(at::silu(params.linear(condition.c, "regressor.0")), "regressor.2").tanh();
}

ActionHead to_action_head(const HeadNet& net) {
  std::vector<TensorToWrite> tensors;
  net.params.append_to(tensors, DType::f32);
  return ActionHead::load(SafeTensors::parse(encode_safetensors(tensors), "head"), net.shape());
}

}  // namespace cp
