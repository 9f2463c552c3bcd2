#include "learn/head_net.h"

#include <cmath>

#include "core/error.h"
#include "runtime/action_head.h"

namespace cp {
namespace {

constexpr std::int64_t kQueries = 4, kKey = 64, kCondition = 256, kTime = 128;

// (T) -> (T 128): sines, then cosines, of 64 geometric frequencies from 1 to 1/10000, in the timestep's own unit.
at::Tensor time_embedding(const at::Tensor& t, at::ScalarType dtype) {
  const at::Tensor rates =
      at::exp(at::arange(kTime / 2, t.options().dtype(at::kDouble)) * (-std::log(10000.0) / (kTime / 2)));
  const at::Tensor angles = t.to(at::kDouble).unsqueeze(1) * rates;
  return at::cat({angles.sin(), angles.cos()}, 1).to(dtype);
}

// (N 2): centres of the cells of a square grid as (x, y) in [-1, 1], row-major.
at::Tensor cell_centres(std::int64_t n, at::ScalarType dtype) {
  const auto side = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(n))));
  CP_CHECK(side * side == n, "the visual grid is not square");
  const at::Tensor axis = (at::arange(side, at::kDouble) + 0.5) / side * 2 - 1;
  return at::stack({axis.repeat({side}), axis.repeat_interleave(side)}, 1).to(dtype);
}

}  // namespace

HeadNet::HeadNet(std::uint64_t seed, const std::string& condition, int hidden) : params(seed), kind_(condition) {
  params.add(ActionHead::parameters(condition, hidden));
}

at::Tensor HeadNet::condition(const HiddenBatch& hidden) const {
  at::Tensor joined = hidden.last;
  if (kind_ == "visual_attention") {
    const at::Tensor keys = params.linear(hidden.grid, "condition.key");  // (B N 64)
    const at::Tensor weights =
        at::softmax(at::einsum("qc,bnc->bqn", {params["condition.query"], keys}), -1);          // (B 4 N)
    const at::Tensor values = at::bmm(weights, params.linear(hidden.grid, "condition.value"));  // (B 4 64)
    const at::Tensor places =
        at::matmul(weights, cell_centres(hidden.grid.size(1), weights.scalar_type()).to(weights.device()));  // (B 4 2)
    joined = at::cat({values.flatten(1), places.flatten(1), hidden.last}, 1);
  }
  return params.layer_norm(params.linear(joined, "condition.out"), "condition.norm");
}

at::Tensor HeadNet::denoise(const at::Tensor& x, const at::Tensor& t, const at::Tensor& c, double dropout,
                            bool training) const {
  at::Tensor h = at::cat({x, time_embedding(t, x.scalar_type()), c}, 1);
  h = at::dropout(at::silu(params.linear(h, "denoiser.0")), dropout, training);
  h = at::dropout(at::silu(params.linear(h, "denoiser.2")), dropout, training);
  return params.linear(at::silu(params.linear(h, "denoiser.4")), "denoiser.6");
}

}  // namespace cp
