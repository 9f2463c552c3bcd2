// Map stage: change map and change flag from the frozen features.
#include <numeric>

#include "learn/map_loss.h"
#include "learn/stages.h"

namespace cp {
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
  const FusionOut out = fusion_.forward(a, b, true);
  const MapLoss loss = map_loss(out.map, out.flag, gather_maps(data_.train_features, picks), data_.train, picks);
  parts["map"] = loss.map.item<double>();
  parts["flag"] = loss.flag.item<double>();
  return loss.total();
}

OrderedJson MapStage::validate() {
  if (data_.val.empty()) return {{"monitor", nullptr}};
  at::NoGradGuard no_grad;
  double map = 0, flag = 0, right = 0;
  for (std::size_t i = 0; i < data_.val.size(); i += 16) {
    std::vector<Pick> picks;
    for (std::size_t j = i; j < std::min(i + 16, data_.val.size()); ++j) picks.push_back({j, 0});
    const FusionOut out = fusion_.forward(gather_features(data_.val_features, picks, 0),
                                          gather_features(data_.val_features, picks, 1), false);
    const MapLoss loss = map_loss(out.map, out.flag, gather_maps(data_.val_features, picks), data_.val, picks);
    const auto n = static_cast<double>(picks.size());
    map += n * loss.map.item<double>();
    flag += n * loss.flag.item<double>();
    right += loss.right;
  }
  const auto n = static_cast<double>(data_.val.size());
  return {{"monitor", (map + MapLoss::kFlagWeight * flag) / n},
          {"map", map / n},
          {"flag", flag / n},
          {"flag_accuracy", right / n}};
}

}  // namespace cp
