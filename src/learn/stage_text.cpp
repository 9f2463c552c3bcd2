// Text stage, and the two functions that every caption loss is made of.
#include <algorithm>
#include <numeric>

#include "learn/stages.h"

namespace cp {

at::Tensor prompt_embeddings(const LanguageNet& language, const Prompt& prompt, const at::Tensor& visual) {
  const std::int64_t batch = visual.size(0), count = visual.size(1);
  CP_CHECK(count == prompt.visual_count, "visual embeddings and places in the prompt disagree");
  std::vector<std::int64_t> ids(prompt.ids.begin(), prompt.ids.end());
  const at::Tensor all = language.embed(at::tensor(ids, at::kLong)).unsqueeze(0).expand({batch, -1, -1});  // (B T D)
  return at::cat({all.slice(1, 0, prompt.visual_begin), visual, all.slice(1, prompt.visual_begin + count)}, 1);
}

at::Tensor read_out(const LanguageNet& language, const Prompt& prompt, const at::Tensor& visual,
                    const at::Tensor& tokens) {
  KeyValues cache;
  {
    at::NoGradGuard no_grad;  // what stands before them does not depend on the tokens
    language.forward(prompt_embeddings(language, prompt, visual), cache, false);
  }
  return language.forward(tokens.unsqueeze(0).expand({visual.size(0), -1, -1}), cache, false);
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

TextStage::TextStage(const TrainConfig& config, const TrainData& data, LanguageNet& language, Projector& projector)
    : config_(config),
      data_(data),
      language_(language),
      projector_(projector),
      prompt_(plain_prompt(data.tokenizer, "", 2)) {}

void TextStage::add_parameters(AdamW& optimiser) {
  optimiser.add_group(language_.params, 1.0, "language.");
  optimiser.add_group(projector_.params, 1.0, "");  // only the flag's table and the concepts' entry get gradients
}

std::vector<std::size_t> TextStage::order(int epoch) const {
  std::vector<std::size_t> order(data_.text.size());
  std::iota(order.begin(), order.end(), 0);
  Rng(config_.seed, Stream::shuffle, static_cast<std::uint32_t>(epoch), 1).shuffle(order);
  return order;
}

at::Tensor TextStage::batch_loss(const std::vector<TrainData::TextItem>& items, std::span<const std::size_t> batch,
                                 int epoch, bool training) {
  const auto concepts = static_cast<std::int64_t>(data_.concepts.size());
  at::Tensor probabilities = at::zeros({static_cast<std::int64_t>(batch.size()), concepts});
  std::vector<std::int64_t> changed;
  std::vector<std::vector<int>> captions;
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
    changed.push_back(item.changed);
    captions.push_back(item.ids);
  }
  const at::Tensor visual = projector_.text_embeddings(at::tensor(changed, at::kLong), probabilities);
  return caption_loss(language_, prompt_embeddings(language_, prompt_, visual), captions, 1, 0.0, training);
}

at::Tensor TextStage::loss(std::span<const std::size_t> batch, int epoch, std::map<std::string, double>&) {
  return batch_loss(data_.text, batch, epoch, true);
}

OrderedJson TextStage::validate() {
  if (data_.text_val.empty()) return {{"monitor", nullptr}};
  at::NoGradGuard no_grad;
  std::vector<std::size_t> all(std::min<std::size_t>(data_.text_val.size(), 1024));
  std::iota(all.begin(), all.end(), 0);
  double sum = 0;
  for (std::size_t i = 0; i < all.size(); i += 64) {
    const std::span<const std::size_t> batch(all.data() + i, std::min<std::size_t>(64, all.size() - i));
    sum += batch_loss(data_.text_val, batch, 0, false).item<double>() * static_cast<double>(batch.size());
  }
  const double nll = sum / static_cast<double>(all.size());
  return {{"monitor", nll}, {"nll_per_token", nll}};
}

}  // namespace cp
