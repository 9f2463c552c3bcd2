// Text stage, and the functions that every caption loss is made of.
#include <algorithm>

#include "learn/stages.h"

namespace cp {

at::Tensor prompt_embeddings(const LanguageNet& language, const Prompt& prompt, const at::Tensor& visual) {
  const std::int64_t batch = visual.size(0), count = visual.size(1);
  CP_CHECK(count == prompt.visual_count, "visual embeddings and places in the prompt disagree");
  std::vector<std::int64_t> ids(prompt.ids.begin(), prompt.ids.end());
  const at::Tensor all = language.embed(at::tensor(ids, at::kLong)).unsqueeze(0).expand({batch, -1, -1});  // (B T D)
  return at::cat({all.slice(1, 0, prompt.visual_begin), visual, all.slice(1, prompt.visual_begin + count)}, 1);
}

at::Tensor caption_loss(const LanguageNet& language, const at::Tensor& prompt,
                        const std::vector<std::vector<int>>& captions, int per_prompt, double label_smoothing,
                        bool training) {
  constexpr std::int64_t kIgnore = -100;
  KeyValues cache;
  at::Tensor last = language.forward(prompt, cache, training).slice(1, -1);  // (B 1 D)
  if (per_prompt > 1) {
    cache = repeat_rows(cache, per_prompt);
    last = last.repeat_interleave(per_prompt, 0);
  }
  const at::Tensor labels = pad_ids(captions, kIgnore);           // (B T)
  const at::Tensor inputs = labels.slice(1, 0, -1).clamp_min(0);  // padding comes last: causal attention never sees it
  const at::Tensor hidden = at::cat({last, language.forward(language.embed(inputs), cache, training)}, 1);
  return at::cross_entropy_loss(language.logits(hidden).flatten(0, 1), labels.flatten(), {}, at::Reduction::Mean,
                                kIgnore, label_smoothing);
}

at::Tensor grouped_caption_loss(const LanguageNet& language, const at::Tensor& visual,
                                const std::vector<PromptGroup>& groups, int per_prompt, double label_smoothing,
                                bool training) {
  std::size_t all = 0;
  const auto tokens = [](const PromptGroup& group) {
    std::size_t n = 0;
    for (const std::vector<int>& caption : group.captions) n += caption.size();
    return n;
  };
  for (const PromptGroup& group : groups) all += tokens(group);
  CP_CHECK(all > 0, "no captions in the batch");
  at::Tensor sum;
  for (const PromptGroup& group : groups) {
    if (group.rows.empty()) continue;
    const at::Tensor seen = visual.index_select(0, at::tensor(group.rows, at::kLong));
    const at::Tensor loss = caption_loss(language, prompt_embeddings(language, *group.prompt, seen), group.captions,
                                         per_prompt, label_smoothing, training) *
                            (static_cast<double>(tokens(group)) / static_cast<double>(all));
    sum = sum.defined() ? sum + loss : loss;
  }
  return sum;
}

std::vector<Prompt> instruction_prompts(const BpeTokenizer& tokenizer, const std::string& language, int visual_count) {
  std::vector<Prompt> prompts;
  for (const std::string& instruction : instruction_templates(language))
    prompts.push_back(plain_prompt(tokenizer, instruction, visual_count));
  return prompts;
}

TextStage::TextStage(const TrainConfig& config, const TrainData& data, LanguageNet& language, Projector& projector)
    : config_(config),
      data_(data),
      language_(language),
      projector_(projector),
      english_(instruction_prompts(data.tokenizer, "en", 2)),
      chinese_(instruction_prompts(data.tokenizer, "zh", 2)) {}

void TextStage::add_parameters(AdamW& optimiser) {
  optimiser.add_group(language_.params, 1.0, "language.");
  optimiser.add_group(projector_.params, 1.0, "");  // only the flag's table and the concepts' entry get gradients
}

std::vector<std::size_t> TextStage::order(int epoch) const {
  std::vector<std::size_t> order, chinese;
  for (std::size_t i = 0; i < data_.text.size(); ++i) (data_.text[i].chinese ? chinese : order).push_back(i);
  Rng rng(config_.seed, Stream::shuffle, static_cast<std::uint32_t>(epoch), 1);
  if (!chinese.empty()) {
    // Every English sentence once, and as many Chinese ones as give their share, in turn from a new order each epoch.
    rng.shuffle(chinese);
    const double share = config_.text.chinese_share;
    const auto wanted = static_cast<std::size_t>(share / (1 - share) * static_cast<double>(order.size()));
    for (std::size_t i = 0; i < wanted; ++i) order.push_back(chinese[i % chinese.size()]);
  }
  rng.shuffle(order);
  return order;
}

at::Tensor TextStage::batch_loss(const std::vector<TrainData::TextItem>& items, std::span<const std::size_t> batch,
                                 int epoch, bool training) {
  const auto concepts = static_cast<std::int64_t>(data_.concepts.size());
  at::Tensor probabilities = at::zeros({static_cast<std::int64_t>(batch.size()), concepts});
  std::vector<std::int64_t> changed;
  // The answer's language follows the instruction's.
  Rng choice(config_.seed, Stream::instruction_choice, static_cast<std::uint32_t>(epoch), batch.front());
  std::vector<PromptGroup> groups(2);
  groups[0].prompt = &english_[training ? choice.below(english_.size()) : 0];
  groups[1].prompt = &chinese_[training ? choice.below(chinese_.size()) : 0];
  auto* row = probabilities.data_ptr<float>();
  for (const std::size_t sample : batch) {
    const TrainData::TextItem& item = items[sample];
    // Noise, dropped words and dropped vectors: at caption time the concepts are predicted, hence uncertain.
    Rng rng(config_.seed, Stream::concept_noise, static_cast<std::uint32_t>(epoch), sample);
    const bool keep = !training || !rng.chance(0.15);
    for (std::int64_t c = 0; c < concepts; ++c) {
      const double noise = training ? 0.1 * rng.normal() : 0.0;
      const bool kept = keep && (!training || !rng.chance(0.1));
      row[c] = kept ? item.concepts[static_cast<std::size_t>(c)] + static_cast<float>(noise) : 0.f;
    }
    row += concepts;
    PromptGroup& group = groups[item.chinese ? 1 : 0];
    group.rows.push_back(static_cast<std::int64_t>(changed.size()));
    group.captions.push_back(item.ids);
    changed.push_back(item.changed);
  }
  const at::Tensor visual = projector_.text_embeddings(at::tensor(changed, at::kLong), probabilities);
  return grouped_caption_loss(language_, visual, groups, 1, 0.0, training);
}

at::Tensor TextStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>&) {
  return batch_loss(data_.text, batch, epoch, true);
}

OrderedJson TextStage::validate() {
  at::NoGradGuard no_grad;
  OrderedJson figures = {{"monitor", nullptr}};
  double sum_of_languages = 0;
  int languages = 0;
  for (const bool chinese : {false, true}) {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < data_.text_val.size() && all.size() < 1024; ++i)
      if (data_.text_val[i].chinese == chinese) all.push_back(i);
    if (all.empty()) continue;
    double sum = 0;
    for (std::size_t i = 0; i < all.size(); i += 64) {
      const std::span<const std::size_t> batch(all.data() + i, std::min<std::size_t>(64, all.size() - i));
      sum += batch_loss(data_.text_val, batch, 0, false).item<double>() * static_cast<double>(batch.size());
    }
    const double nll = sum / static_cast<double>(all.size());
    sum_of_languages += nll;
    figures["monitor"] = sum_of_languages / ++languages;
    figures[chinese ? "nll_per_token_zh" : "nll_per_token"] = nll;
  }
  return figures;
}

}  // namespace cp
