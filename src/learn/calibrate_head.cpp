#include "learn/calibrate_head.h"

#include <algorithm>

#include <fmt/format.h>

#include "image/read.h"
#include "metrics/action.h"
#include "runtime/modes.h"
#include "runtime/region.h"

namespace cp {
namespace {

constexpr double kLevel = 0.9, kLevels[] = {0.5, 0.8, 0.9, 0.95};
constexpr double kShares[] = {0, 0.1, 0.25, 0.5, 0.75, 1};

// What a head that has not seen the scene answers.
struct Unseen {
  std::vector<float> samples, map;
  Point target;
};

Unseen answer(const ActionHead& head, const HiddenBatch& row, const std::vector<float>& map,
              const ActionHead::Sampling& how, int samples, std::uint64_t seed) {
  at::Tensor prompt = row.last;  // (1 D): the last position alone is enough for heads that read no grid
  if (row.grid.defined()) prompt = at::cat({row.grid[0], row.last});
  const std::vector<float> hidden = to_floats(prompt);
  const std::vector<float> read = row.read.defined() ? to_floats(row.read) : std::vector<float>();
  const double flag = row.flag.defined() ? row.flag.item<double>() : 0;
  const ActionHead::Condition condition = head.condition({hidden, 0, map, flag, read});
  return {head.samples(condition, how, start_noise(seed, samples), seed), map, {}};
}

// Scores of all answers with one share of the map.
std::vector<double> scores_with(const std::vector<Unseen>& all, double share) {
  std::vector<double> scores;
  for (const Unseen& u : all) scores.push_back(region_score(place_weights(u.samples, u.map, share), u.target));
  return scores;
}

double mean_area(const std::vector<Unseen>& all, double share, double threshold) {
  double sum = 0;
  for (const Unseen& u : all) sum += find_region(place_weights(u.samples, u.map, share), threshold, kLevel).share;
  return sum / static_cast<double>(all.size());
}

}  // namespace

std::optional<HeadCalibration> calibrate_head(const HeadOptions& options, std::uint64_t seed,
                                              const HeadStage::Data& data, const at::Tensor& maps,
                                              const std::vector<int>& fold_of, const HeadShape& shape,
                                              const ActionHead::Sampling& how, const std::function<bool()>& stop) {
  const std::size_t views = data.train.front().views.size();
  const int folds = 1 + *std::max_element(fold_of.begin(), fold_of.end());
  std::vector<Unseen> all;
  HeadCalibration result;
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<std::size_t> seen, unseen;
    for (std::size_t i = 0; i < data.train.size(); ++i) (fold_of[i] == fold ? unseen : seen).push_back(i);
    HeadNet net(seed, shape), average(seed, shape);
    const HeadStage::Data part{data.train, {}, data.train_hidden, {}, data.readout};
    HeadStage stage(options, seed, part, net, average, seen);
    AdamW optimiser(stage.optimiser());
    stage.add_parameters(optimiser);
    TrainState state;
    state.stage = fmt::format("head fold {}", fold);
    if (!train_stage(stage, optimiser, state, seed, TrainHooks{{}, {}, stop, 0})) return std::nullopt;
    at::NoGradGuard no_grad;
    const ActionHead head = to_action_head(average);
    for (const std::size_t i : unseen) {
      const ActionTarget& target = data.train[i].targets[0];
      if (!target.has_point) continue;
      const auto row = static_cast<std::int64_t>(i * views);
      HiddenBatch hidden = data.train_hidden.rows(at::tensor({row}, at::kLong));
      if (data.readout) hidden.read = data.readout(hidden.visual, average.params["condition.readout"]);
      all.push_back(answer(head, hidden, to_floats(maps[row]), how, options.samples, seed));
      all.back().target = {target.x, target.y};
      const Point said = find_modes(all.back().samples).front().point;
      const Image mask = read_mask(data.train[i].record.label);
      const PointScore score =
          score_point(mask, find_components(mask), {(said.x + 1) / 2, (said.y + 1) / 2}, all.back().target, {});
      result.mse += score.squared;
      result.sr_mask += score.hits.mask;
      result.sr_largest += score.hits.largest;
    }
  }
  if (all.empty()) throw UserError(ErrorKind::data, "calibration", "no training pair has a point.", "Check the masks.");
  for (double* sum : {&result.mse, &result.sr_mask, &result.sr_largest}) *sum /= static_cast<double>(all.size());
  ModelManifest::Region& region = result.region;
  result.area = 2;
  for (const double share : kShares) {
    const double area = mean_area(all, share, conformal_quantile(scores_with(all, share), kLevel));
    if (area >= result.area) continue;
    result.area = area;
    region.map_share = share;
  }
  const std::vector<double> scores = scores_with(all, region.map_share);
  region.level = kLevel;
  region.levels.clear();
  for (const double level : kLevels) region.levels.push_back({level, conformal_quantile(scores, level)});
  region.n = static_cast<int>(scores.size());
  region.method = "split_conformal, confidence 0.95";
  region.target = options.target;
  if (region.map_share < 1)
    region.sampler = ModelManifest::Region::Sampler{options.sampler, options.steps, options.spacing, options.samples};
  return result;
}

}  // namespace cp
