#include "learn/calibrate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "learn/stages.h"
#include "runtime/region.h"

namespace cp {

std::vector<int> scene_folds(const std::vector<TrainPair>& pairs, int folds, std::uint64_t seed) {
  std::map<std::string, int> sizes;
  for (const TrainPair& pair : pairs) ++sizes[pair.group];
  std::vector<std::string> groups;
  for (const auto& [group, size] : sizes) groups.push_back(group);
  Rng(seed, Stream::split).shuffle(groups);
  std::stable_sort(groups.begin(), groups.end(), [&](const auto& a, const auto& b) { return sizes[a] > sizes[b]; });
  std::vector<int> load(static_cast<std::size_t>(folds), 0);
  std::map<std::string, int> fold_of;
  for (const std::string& group : groups) {
    const auto lightest = std::min_element(load.begin(), load.end());
    fold_of[group] = static_cast<int>(lightest - load.begin());
    *lightest += sizes[group];
  }
  std::vector<int> out;
  for (const TrainPair& pair : pairs) out.push_back(fold_of[pair.group]);
  return out;
}

ModelManifest::Flag fit_flag(std::span<const double> logits, std::span<const int> flags) {
  // Newton's method on the two weights of p = sigmoid(w f + c); the tiny ridge keeps separable data finite.
  constexpr double kRidge = 1e-3;
  double w = 1, c = 0;
  for (int iteration = 0; iteration < 100; ++iteration) {
    double gw = kRidge * (w - 1), gc = kRidge * c, hww = kRidge, hwc = 0, hcc = kRidge;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double p = 1 / (1 + std::exp(-(w * logits[i] + c)));
      const double error = p - flags[i], slope = p * (1 - p);
      gw += error * logits[i], gc += error;
      hww += slope * logits[i] * logits[i], hwc += slope * logits[i], hcc += slope;
    }
    const double determinant = hww * hcc - hwc * hwc;
    const double dw = (hcc * gw - hwc * gc) / determinant, dc = (hww * gc - hwc * gw) / determinant;
    const double damping = std::max(1.0, std::max(std::abs(dw), std::abs(dc)));  // steps of at most 1
    w -= dw / damping, c -= dc / damping;
    if (std::abs(dw) + std::abs(dc) < 1e-10) break;
  }
  if (!(w > 1e-3))
    throw UserError(ErrorKind::numeric, "calibration", "the change flag does not rise with the truth on unseen scenes.",
                    "Train the map stage longer or check the labels.");
  ModelManifest::Flag flag;
  flag.temperature = 1 / w;
  flag.bias = -c / w;
  flag.threshold = flag.bias;
  return flag;
}

double conformal_quantile(std::vector<double> scores, double level, double confidence) {
  const auto n = static_cast<double>(scores.size());
  auto rank = static_cast<std::size_t>(std::ceil((n + 1) * level));
  if (confidence > 0) {
    rank = 0;
    for (double below = 0; below < confidence && rank <= scores.size(); ++rank) {  // below = P(Binomial < rank)
      const auto k = static_cast<double>(rank);
      below += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(level) +
                        (n - k) * std::log1p(-level));
    }
  }
  if (rank > scores.size()) return 1.0;
  std::sort(scores.begin(), scores.end());
  return scores[rank - 1];
}

std::optional<Calibration> calibrate(const TrainConfig& config, const TrainData& data,
                                     const std::function<bool()>& stop, CrossFit& cross_fit) {
  cross_fit.fold_of = scene_folds(data.train, config.folds, config.seed);
  const std::vector<int>& fold_of = cross_fit.fold_of;
  const auto views = static_cast<std::int64_t>(data.train.front().views.size());
  const std::int64_t rows = static_cast<std::int64_t>(data.train.size()) * views;
  cross_fit.map = at::empty({rows, 64, 64}, at::kHalf);
  cross_fit.flag = at::empty({rows});
  std::vector<double> logits, scores;
  std::vector<int> flags;
  for (int fold = 0; fold < config.folds; ++fold) {
    std::vector<std::size_t> seen, unseen;
    for (std::size_t i = 0; i < data.train.size(); ++i) (fold_of[i] == fold ? unseen : seen).push_back(i);
    if (seen.empty() || unseen.empty())
      throw UserError(ErrorKind::usage, "folds", fmt::format("{} folds need at least as many scenes.", config.folds),
                      "Use fewer folds, or folds=0.");
    FusionNet net(config.seed);
    MapStage stage(config, data, net, seen);
    AdamW optimiser(stage.optimiser());
    stage.add_parameters(optimiser);
    TrainState state;
    state.stage = fmt::format("fold {}", fold);
    if (!train_stage(stage, optimiser, state, config.seed, TrainHooks{{}, {}, stop, 0})) return std::nullopt;
    at::NoGradGuard no_grad;
    for (const std::size_t i : unseen) {
      std::vector<Pick> picks;
      for (std::size_t v = 0; v < data.train[i].views.size(); ++v) picks.push_back({i, v});
      const FusionOut out = net.forward(gather_features(data.train_features, picks, 0),
                                        gather_features(data.train_features, picks, 1), false);
      const auto first = static_cast<std::int64_t>(i) * views;
      cross_fit.map.slice(0, first, first + views).copy_(out.map);
      cross_fit.flag.slice(0, first, first + views).copy_(out.flag);
      logits.push_back(out.flag[0].item<double>());
      flags.push_back(data.train[i].record.changeflag);
      const ActionTarget& target = data.train[i].targets[0];
      if (target.has_point)
        scores.push_back(region_score(place_weights({}, to_floats(out.map[0]), 1), {target.x, target.y}));
    }
  }
  Calibration result;
  result.flag = fit_flag(logits, flags);
  result.region.level = 0.9;
  result.region.levels.clear();
  for (const double level : {0.5, 0.8, 0.9, 0.95})
    result.region.levels.push_back({level, conformal_quantile(scores, level)});
  result.region.map_share = 1;
  result.region.n = static_cast<int>(scores.size());
  result.region.method = "split_conformal, confidence 0.95";
  result.pairs = static_cast<int>(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = 1 / (1 + std::exp(-(logits[i] - result.flag.bias) / result.flag.temperature));
    result.flag_accuracy += (p > 0.5) == (flags[i] == 1) ? 1 : 0;
    result.flag_nll -= std::log(std::max(1e-12, flags[i] ? p : 1 - p));
  }
  result.flag_accuracy /= result.pairs;
  result.flag_nll /= result.pairs;
  return result;
}

void write_cross_fit(const std::filesystem::path& file, const CrossFit& c) {
  const std::vector<float> folds(c.fold_of.begin(), c.fold_of.end());
  const auto pairs = static_cast<std::int64_t>(folds.size());
  write_safetensors(file, {{"fold_of", {pairs}, folds},
                           {"map", c.map.sizes().vec(), to_floats(c.map), DType::f16},
                           {"flag", c.flag.sizes().vec(), to_floats(c.flag)}});
}

CrossFit read_cross_fit(const std::filesystem::path& path, std::size_t pairs, std::size_t views) {
  const SafeTensors file = SafeTensors::open(path);
  const auto rows = static_cast<std::int64_t>(pairs * views);
  CrossFit c;
  for (const float fold : file.floats("fold_of", {static_cast<std::int64_t>(pairs)}))
    c.fold_of.push_back(static_cast<int>(fold));
  const auto tensor = [&](const char* name, const std::vector<std::int64_t>& shape) {
    std::vector<float> values = file.floats(name, shape);
    return at::from_blob(values.data(), shape, at::kFloat).clone();
  };
  c.map = tensor("map", {rows, 64, 64}).to(at::kHalf);
  c.flag = tensor("flag", {rows});
  return c;
}

}  // namespace cp
