#include "learn/pair_fusion_net.h"

namespace cp {

PairFusionNet::PairFusionNet(const PairFusion::Shape& shape, std::uint64_t seed, double embedding_scale)
    : params(seed), shape_(shape) {
  params.add(PairFusion::parameters(shape, embedding_scale));
}

PairFusionOut PairFusionNet::forward(const at::Tensor& before, const at::Tensor& after) const {
  const at::Tensor a = params.layer_norm(before, "fusion.norm"), b = params.layer_norm(after, "fusion.norm");
  const at::Tensor mixed = shape_.kind == "concat"     ? at::cat({a, b}, -1)
                           : shape_.kind == "subtract" ? b - a
                                                       : at::cat({a, b, b - a}, -1);
  at::Tensor fused = at::gelu(params.linear(mixed, "fusion.mix"));  // (B R F)
  PairFusionOut out;
  if (shape_.has_map()) {
    fused = fused + params["fusion.position"];
    const std::int64_t batch = fused.size(0), grid = shape_.grid, side = PairFusion::kMapSide;
    const at::Tensor places = params.linear(fused, "change_map").transpose(1, 2).reshape({batch, -1, grid, grid});
    out.map = at::adaptive_avg_pool2d(at::pixel_shuffle(places, PairFusion::kSubcells), {side, side}).squeeze(1);
    const at::Tensor flat = out.map.flatten(1);
    const at::Tensor summary =
        at::cat({fused.amax(1), fused.mean(1), flat.amax(1, true), flat.sigmoid().mean(1, true)}, 1);
    out.flag = params.linear(at::gelu(params.linear(summary, "change_flag.0")), "change_flag.2").squeeze(1);
  }
  const at::Tensor e = params.linear(at::gelu(params.linear(fused, "projector.0")), "projector.2");
  constexpr double kRmsEps = 1e-6;
  out.embeddings = params.rms_norm(e, "projector.out_norm.weight", kRmsEps) * params["projector.scale"];
  return out;
}

}  // namespace cp
