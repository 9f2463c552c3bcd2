// Map stage: change map and change flag from the frozen features.
#include <numeric>

#include "learn/stages.h"

namespace cp {
namespace {

constexpr double kFlagWeight = 0.5;

// Binary cross-entropy plus half the dice loss for each pair, averaged over those whose mask can be trusted.
at::Tensor map_loss(const at::Tensor& logits, const at::Tensor& target, const at::Tensor& weight) {
  const at::Tensor cross =
      at::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::None).mean({1, 2});
  const at::Tensor p = logits.sigmoid();
  const at::Tensor both = (p * target).sum({1, 2});
  const at::Tensor dice = 1 - (2 * both + 1) / (p.sum({1, 2}) + target.sum({1, 2}) + 1);
  return ((cross + 0.5 * dice) * weight).sum() / weight.sum().clamp_min(1);
}

struct MapBatch {
  at::Tensor flag, weight;  // (B)
};

MapBatch labels(const std::vector<TrainPair>& pairs, const std::vector<Pick>& picks) {
  std::vector<float> flag, weight;
  for (const Pick& pick : picks) {
    flag.push_back(static_cast<float>(pairs[pick.pair].record.changeflag));
    weight.push_back(pairs[pick.pair].mask_disagrees || pairs[pick.pair].record.label.empty() ? 0.f : 1.f);
  }
  return {at::tensor(flag), at::tensor(weight)};
}

}  // namespace

MapStage::MapStage(const TrainConfig& config, const TrainData& data, FusionNet& fusion, std::vector<std::size_t> subset)
    : config_(config), data_(data), fusion_(fusion), subset_(std::move(subset)) {
  if (subset_.empty()) {
    subset_.resize(data.train.size());
    std::iota(subset_.begin(), subset_.end(), 0);
  }
}

void MapStage::add_parameters(AdamW& optimiser) { optimiser.add_group(fusion_.params, 1.0, ""); }

std::vector<std::size_t> MapStage::order(int epoch) const {
  std::vector<std::size_t> order = subset_;
  Rng(config_.seed, Stream::shuffle, static_cast<std::uint32_t>(epoch), 2).shuffle(order);
  return order;
}

at::Tensor MapStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) {
  std::vector<Pick> picks;
  for (const std::size_t pair : batch) {
    Rng rng(config_.seed, Stream::view_choice, static_cast<std::uint32_t>(epoch), pair);
    picks.push_back({pair, rng.below(data_.train[pair].views.size())});
  }
  FeatureBatch a = gather_features(data_.train_features, picks, 0), b = gather_features(data_.train_features, picks, 1);
  // Order does not matter to "where" and "whether": swap half of the batches.
  if (Rng(config_.seed, Stream::augment, static_cast<std::uint32_t>(epoch), 1000000 + batch.front()).chance(0.5))
    std::swap(a, b);
  const MapBatch label = labels(data_.train, picks);
  const FusionOut out = fusion_.forward(a, b, true);
  const at::Tensor map = map_loss(out.map, gather_maps(data_.train_features, picks), label.weight);
  const at::Tensor flag = at::binary_cross_entropy_with_logits(out.flag, label.flag, {}, {}, at::Reduction::Mean);
  parts["map"] = map.item<double>();
  parts["flag"] = flag.item<double>();
  return map + kFlagWeight * flag;
}

OrderedJson MapStage::validate() {
  if (data_.val.empty()) return {{"monitor", nullptr}};
  at::NoGradGuard no_grad;
  double map = 0, flag = 0, right = 0;
  for (std::size_t i = 0; i < data_.val.size(); i += 16) {
    std::vector<Pick> picks;
    for (std::size_t j = i; j < std::min(i + 16, data_.val.size()); ++j) picks.push_back({j, 0});
    const MapBatch label = labels(data_.val, picks);
    const FusionOut out = fusion_.forward(gather_features(data_.val_features, picks, 0),
                                          gather_features(data_.val_features, picks, 1), false);
    const auto n = static_cast<double>(picks.size());
    map += n * map_loss(out.map, gather_maps(data_.val_features, picks), label.weight).item<double>();
    flag += n * at::binary_cross_entropy_with_logits(out.flag, label.flag, {}, {}, at::Reduction::Mean).item<double>();
    right += ((out.flag > 0).to(at::kFloat) == label.flag).sum().item<double>();
  }
  const auto n = static_cast<double>(data_.val.size());
  return {
      {"monitor", (map + kFlagWeight * flag) / n}, {"map", map / n}, {"flag", flag / n}, {"flag_accuracy", right / n}};
}

}  // namespace cp
