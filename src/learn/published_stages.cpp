#include "learn/published_stages.h"

#include "core/progress.h"
#include "learn/answer_loss.h"
#include "learn/map_loss.h"

namespace cp {
namespace {

constexpr std::size_t kValBatch = 2;  // pairs with all their captions: less memory than a small training batch

// Numbers of one image in a row of features.
std::size_t image_numbers(const PairFusion::Shape& shape) {
  return static_cast<std::size_t>(shape.rows()) * static_cast<std::size_t>(shape.in);
}

// Rows of both images: (B R in) each, on the model's device.
PairFusionOut fuse(const PublishedModel& model, const FeatureCache& features, const std::vector<Pick>& picks) {
  const PairFusion::Shape& shape = model.fusion.shape();
  const at::Device device = model.fusion.params["projector.scale"].device();
  const auto rows = [&](std::size_t image) {
    return gather(features, picks, image * image_numbers(shape), {shape.rows(), shape.in}).to(device);
  };
  return model.fusion.forward(rows(0), rows(1));
}

HiddenBatch hidden_batch(const HeadOptions& head, const at::Tensor& hidden, const CaptionRows& rows,
                         const PairFusionOut& fused, std::size_t samples) {
  HiddenBatch out;
  out.last = hidden.index_select(0, rows.last_places.to(hidden.device()));
  if (reads_grid(head)) {
    const auto n = static_cast<std::int64_t>(samples);
    out.grid = hidden.index_select(0, rows.visual_places.to(hidden.device())).view({n, -1, hidden.size(1)});
  }
  if (reads_map(head)) set_map(out, fused.map, fused.flag);
  return out;
}

}  // namespace

AnswerStage::AnswerStage(const PublishedConfig& config, const PublishedData& data, PublishedModel& model, bool joint)
    : config_(config), data_(data), model_(model), joint_(joint), action_loss_(config.head, config.seed) {}

void AnswerStage::add_parameters(AdamW& optimiser) {
  optimiser.add_group(model_.language.lora->params, 1.0, "");
  optimiser.add_group(model_.fusion.params, config_.caption.fusion_scale, "");
  if (joint_) optimiser.add_group(model_.head.params, 1.0, "head.");
}

std::vector<std::size_t> AnswerStage::order(int epoch) const {
  return changed_and_some(data_.train, config_.caption.unchanged_share, config_.seed, epoch);
}

at::Tensor AnswerStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) {
  return batch_loss(data_.train, data_.train_features, draw_answers(config_, data_, batch, epoch), epoch, true, parts);
}

at::Tensor AnswerStage::batch_loss(const std::vector<TrainPair>& pairs, const FeatureCache& features,
                                   const AnswerBatch& batch, int epoch, bool training,
                                   std::map<std::string, double>& parts) {
  const PairFusionOut fused = fuse(model_, features, batch.picks);
  const CaptionRows rows = config_.caption.packed ? packed_rows(batch.samples) : padded_rows(batch.samples);
  const at::Tensor hidden = hidden_states(model_.language, rows, fused.embeddings, training);
  const auto device = hidden.device();
  const at::Tensor answers = model_.language.for_head(hidden.index_select(0, rows.answer_places.to(device)));
  const at::Tensor caption = answer_loss(answers, rows.labels.to(device), model_.language.frozen_head(),
                                         training ? config_.caption.label_smoothing : 0);
  parts["caption"] = caption.item<double>();
  at::Tensor total = caption;
  if (joint_) {
    const HeadNet& head = training ? model_.head : model_.average;
    const at::Tensor action = action_loss_(head, hidden_batch(config_.head, hidden, rows, fused, batch.samples.size()),
                                           batch.targets, epoch, batch.numbers, training);
    parts["action"] = action.item<double>();
    total = config_.caption.caption_weight * caption + config_.caption.action_weight * action;
  }
  if (fused.map.defined() && training) {
    const std::size_t behind = 2 * image_numbers(model_.fusion.shape());
    const at::Tensor truth = gather(features, batch.picks, behind, {PairFusion::kMapSide, PairFusion::kMapSide});
    const MapLoss map = map_loss(fused.map, fused.flag, truth, pairs, batch.picks);
    parts["map"] = map.map.item<double>();
    parts["flag"] = map.flag.item<double>();
    total = total + config_.caption.map_weight * map.total();
  }
  return total;
}

void AnswerStage::after_step() {
  if (joint_) model_.average.params.follow(model_.head.params, config_.head.ema);
}

OrderedJson AnswerStage::validate() {
  at::NoGradGuard no_grad;
  std::map<std::string, double> sums;
  double total = 0;
  std::size_t n = 0;
  std::vector<std::size_t> changed;
  for (std::size_t i = 0; i < data_.val.size(); ++i)
    if (data_.val[i].record.changeflag) changed.push_back(i);
  for (std::size_t first = 0; first < changed.size(); first += kValBatch) {
    const AnswerBatch batch =
        val_answers(data_, std::span(changed).subspan(first, std::min(kValBatch, changed.size() - first)));
    std::map<std::string, double> parts;
    const auto weight = static_cast<double>(batch.picks.size());
    total += weight * batch_loss(data_.val, data_.val_features, batch, 0, false, parts).item<double>();
    for (const auto& [name, value] : parts) sums[name] += weight * value;
    n += batch.picks.size();
  }
  if (n == 0) return {{"monitor", nullptr}};
  OrderedJson out = {{"monitor", total / static_cast<double>(n)},
                     {"nll_per_token_changed", sums["caption"] / static_cast<double>(n)}};
  if (joint_) out["noise_mse_changed"] = sums["action"] / static_cast<double>(n);
  return out;
}

HiddenBatch published_hidden(const PublishedModel& model, const std::vector<TrainPair>& pairs,
                             const FeatureCache& features, const Prompt& prompt, const HeadOptions& head) {
  at::NoGradGuard no_grad;
  const std::vector<Pick> picks = all_picks(pairs);
  Progress progress("hidden states", picks.size(), "views");
  const LanguageNet& language = model.language;
  const at::Device device = model.fusion.params["projector.scale"].device();
  const auto embed = [&](std::size_t begin, std::size_t end) {
    const std::vector<std::int64_t> ids(prompt.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                        prompt.ids.begin() + static_cast<std::ptrdiff_t>(end));
    return language.embed(at::tensor(ids, at::kLong).to(device)).unsqueeze(0);  // (1 T D)
  };
  // All prompts begin alike up to their visual positions: that part is computed once.
  const auto begin = static_cast<std::size_t>(prompt.visual_begin);
  const auto behind = begin + static_cast<std::size_t>(prompt.visual_count);
  KeyValues shared;
  if (begin > 0) language.forward(embed(0, begin), shared, false);
  const at::Tensor tail = embed(behind, prompt.ids.size());
  std::vector<at::Tensor> grid, last, maps, flags;
  for (std::size_t first = 0; first < picks.size(); first += kHiddenBatch) {
    const std::vector<Pick> batch(
        picks.begin() + static_cast<std::ptrdiff_t>(first),
        picks.begin() + static_cast<std::ptrdiff_t>(std::min(first + kHiddenBatch, picks.size())));
    const auto rows = static_cast<std::int64_t>(batch.size());
    const PairFusionOut fused = fuse(model, features, batch);
    if (reads_map(head)) maps.push_back(fused.map), flags.push_back(fused.flag);
    const at::Tensor x = at::cat({fused.embeddings, tail.expand({rows, -1, -1})}, 1);
    KeyValues cache = repeat_rows(shared, rows);
    const at::Tensor hidden = language.forward(x, cache, false);
    if (reads_grid(head)) grid.push_back(hidden.slice(1, 0, prompt.visual_count).clone());
    last.push_back(hidden.select(1, -1).clone());
    progress.advance(batch.size());
  }
  progress.finish();
  HiddenBatch out;
  if (!grid.empty()) out.grid = at::cat(grid);
  if (!last.empty()) out.last = at::cat(last);
  if (!maps.empty()) set_map(out, at::cat(maps), at::cat(flags));
  return out;
}

}  // namespace cp
