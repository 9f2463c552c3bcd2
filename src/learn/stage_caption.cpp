// Caption stage: projector and language model on real pairs.
#include "learn/stages.h"

namespace cp {

CaptionStage::CaptionStage(const TrainConfig& config, const TrainData& data, const FusionNet& fusion,
                           Projector& projector, LanguageNet& language)
    : config_(config),
      data_(data),
      fusion_(fusion),
      projector_(projector),
      language_(language),
      english_(instruction_prompts(data.tokenizer, "en", kVisualTokens)),
      chinese_(instruction_prompts(data.tokenizer, "zh", kVisualTokens)) {
  if (config.caption.actions == "none") return;
  spelling_.emplace(data.tokenizer);
  for (const char* spoken : {"en", "zh"})
    acting_.push_back(
        plain_prompt(data.tokenizer, action_instruction(spoken, config.caption.actions == "thought"), kVisualTokens));
}

void CaptionStage::add_parameters(AdamW& optimiser) {
  optimiser.add_group(language_.params, 1.0, "language.");
  optimiser.add_group(projector_.params, config_.caption.projector_scale, "");
}

std::vector<std::size_t> CaptionStage::order(int epoch) const {
  return changed_and_some(data_.train, config_.caption.unchanged_share, config_.seed, epoch);
}

std::vector<int> CaptionStage::action_ids(const ActionTarget& target, const std::vector<int>& caption,
                                          const std::string& language) const {
  const BpeTokenizer& tokenizer = data_.tokenizer;
  std::vector<int> ids;
  if (config_.caption.actions == "thought") {
    const std::string place = target.has_point ? place_words(target.x, target.y, language) : std::string();
    ids = tokenizer.encode(" " + thought_text(caption_text(tokenizer, caption), place, language));
    ids.push_back(tokenizer.control_id("<|im_start|>"));
  }
  // Unchanged pairs hover over the centre.
  const BinnedAction action = target.has_point ? bin_action(target.x, target.y, target.a) : bin_action(0.5, 0.5, 0);
  const std::vector<int> written = spelling_->ids(action);
  ids.insert(ids.end(), written.begin(), written.end());
  ids.push_back(tokenizer.control_id(kEndToken));
  return ids;
}

at::Tensor CaptionStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>& parts) {
  std::vector<Pick> picks;
  // The answer's language follows the instruction's; a batch mixes both.
  Rng choice(config_.seed, Stream::instruction_choice, static_cast<std::uint32_t>(epoch), batch.front());
  std::vector<PromptGroup> groups(4);  // captions, then actions, each in English and Chinese
  groups[0].prompt = &english_[choice.below(english_.size())];
  groups[1].prompt = &chinese_[choice.below(chinese_.size())];
  for (std::size_t i = 0; i < acting_.size(); ++i) groups[2 + i].prompt = &acting_[i];
  std::vector<std::int64_t> changed;
  const auto concepts = static_cast<std::int64_t>(data_.concepts.size());
  const at::Tensor truth = at::zeros({static_cast<std::int64_t>(batch.size()), concepts});
  const at::Tensor known = at::zeros_like(truth);  // 1 = the captions tell whether the concept holds
  for (std::size_t row = 0; row < batch.size(); ++row) {
    const std::size_t pair = batch[row];
    const TrainPair& item = data_.train[pair];
    Rng rng(config_.seed, Stream::view_choice, static_cast<std::uint32_t>(epoch), pair);
    const std::size_t view = choose_view(item, rng);
    const ViewText& text = item.texts[view];
    picks.push_back({pair, view});
    changed.push_back(item.record.changeflag);
    const bool chinese = !text.chinese.empty() && rng.chance(config_.caption.chinese_share);
    const std::vector<std::vector<int>>& captions = chinese ? text.chinese : text.captions;
    std::vector<std::vector<int>> written;
    for (int k = 0; k < config_.caption.captions_per_pair; ++k) written.push_back(captions[rng.below(captions.size())]);
    const ActionTarget& target = item.targets[view];
    const bool acts =
        spelling_ && (target.has_point || !item.record.changeflag) && rng.chance(config_.caption.action_share);
    if (acts)
      for (std::vector<int>& ids : written) ids = action_ids(target, ids, chinese ? "zh" : "en");
    PromptGroup& group = groups[(acts ? 2 : 0) + (chinese ? 1 : 0)];
    group.rows.push_back(static_cast<std::int64_t>(row));
    group.captions.insert(group.captions.end(), written.begin(), written.end());
    for (std::int64_t c = 0; c < concepts; ++c) {
      const auto index = static_cast<std::size_t>(c);
      truth.data_ptr<float>()[static_cast<std::int64_t>(row) * concepts + c] = text.concepts[index];
      const bool told = item.record.changeflag && (text.complete || !data_.concept_is_direction[index]);
      known.data_ptr<float>()[static_cast<std::int64_t>(row) * concepts + c] = told ? 1.f : 0.f;
    }
  }
  const FeatureBatch a = gather_features(data_.train_features, picks, 0),
                     b = gather_features(data_.train_features, picks, 1);
  FusionOut fused;
  {
    at::NoGradGuard no_grad;
    fused = fusion_.forward(a, b, false);
  }
  const ProjectorOut projected = projector_.forward(a, b, fused, true);
  const at::Tensor each = at::binary_cross_entropy_with_logits(projected.concepts, truth, {}, {}, at::Reduction::None);
  const at::Tensor concept_loss = (each * known).sum() / known.sum().clamp_min(1);
  // The concepts enter as values: the caption loss must not bend what they mean.
  const at::Tensor visual =
      projector_.embeddings(projected.grid, at::tensor(changed, at::kLong), projected.concepts.sigmoid().detach());
  const at::Tensor caption = grouped_caption_loss(language_, visual, groups, config_.caption.captions_per_pair,
                                                  config_.caption.label_smoothing, true);
  parts["caption"] = caption.item<double>();
  parts["concept"] = concept_loss.item<double>();
  return caption + config_.caption.concept_weight * concept_loss;
}

OrderedJson CaptionStage::validate() {
  at::NoGradGuard no_grad;
  double sum = 0, sum_chinese = 0;
  int n = 0, n_chinese = 0;
  for (std::size_t i = 0; i < data_.val.size(); ++i) {
    if (!data_.val[i].record.changeflag) continue;
    const std::vector<Pick> pick = {{i, 0}};
    const FeatureBatch a = gather_features(data_.val_features, pick, 0),
                       b = gather_features(data_.val_features, pick, 1);
    const ProjectorOut projected = projector_.forward(a, b, fusion_.forward(a, b, false), false);
    const at::Tensor visual =
        projector_.embeddings(projected.grid, at::ones({1}, at::kLong), projected.concepts.sigmoid());
    const auto nll = [&](const Prompt& prompt, const std::vector<std::vector<int>>& captions) {
      return caption_loss(language_, prompt_embeddings(language_, prompt, visual), captions,
                          static_cast<int>(captions.size()), 0.0, false)
          .item<double>();
    };
    const ViewText& text = data_.val[i].texts[0];
    sum += nll(english_[0], text.captions);
    ++n;
    if (text.chinese.empty()) continue;
    sum_chinese += nll(chinese_[0], text.chinese);
    ++n_chinese;
  }
  if (n == 0) return {{"monitor", nullptr}};
  OrderedJson figures = {{"monitor", sum / n}, {"nll_per_token_changed", sum / n}};
  if (n_chinese > 0) {
    figures["nll_per_token_changed_zh"] = sum_chinese / n_chinese;
    figures["monitor"] = (sum / n + sum_chinese / n_chinese) / 2;
  }
  return figures;
}

}  // namespace cp
