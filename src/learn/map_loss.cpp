#include "learn/map_loss.h"

namespace cp {

MapLoss map_loss(const at::Tensor& map, const at::Tensor& flag, const at::Tensor& truth,
                 const std::vector<TrainPair>& pairs, const std::vector<Pick>& picks) {
  std::vector<float> flags, weights;
  for (const Pick& pick : picks) {
    flags.push_back(static_cast<float>(pairs[pick.pair].record.changeflag));
    weights.push_back(pairs[pick.pair].mask_disagrees || pairs[pick.pair].record.label.empty() ? 0.f : 1.f);
  }
  const at::Tensor target = truth.to(map.device()), label = at::tensor(flags).to(map.device()),
                   weight = at::tensor(weights).to(map.device());
  const at::Tensor cross = at::binary_cross_entropy_with_logits(map, target, {}, {}, at::Reduction::None).mean({1, 2});
  const at::Tensor p = map.sigmoid();
  const at::Tensor both = (p * target).sum({1, 2});
  const at::Tensor dice = 1 - (2 * both + 1) / (p.sum({1, 2}) + target.sum({1, 2}) + 1);
  MapLoss loss;
  loss.map = ((cross + 0.5 * dice) * weight).sum() / weight.sum().clamp_min(1);
  loss.flag = at::binary_cross_entropy_with_logits(flag, label, {}, {}, at::Reduction::Mean);
  loss.right = ((flag > 0).to(at::kFloat) == label).sum().item<double>();
  return loss;
}

}  // namespace cp
