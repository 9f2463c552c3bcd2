#include "learn/published_data.h"

#include "runtime/model_parts.h"
#include "text/chat_template.h"

namespace cp {

PublishedText::PublishedText(const std::filesystem::path& language_folder, const std::string& template_name,
                             int visual_count)
    : tokenizer_(BpeTokenizer::load(language_folder / "tokenizer.json")),
      template_name_(template_name.empty() ? read_chat_template(language_folder).name : template_name),
      visual_count_(visual_count) {}

Prompt PublishedText::prompt(const std::string& instruction) const {
  return make_prompt(template_name_, "template", tokenizer_, instruction, visual_count_);
}

std::vector<int> PublishedText::caption_ids(const std::string& caption) const {
  return template_name_ == kPlainTemplate ? cp::caption_ids(tokenizer_, caption) : chat_answer_ids(tokenizer_, caption);
}

PublishedData load_published_data(const PublishedConfig& config, const PublishedText& text) {
  const auto [train, val] = read_pair_records(config);
  const CaptionEncoder encode = [&](const std::string& caption) { return text.caption_ids(caption); };
  PublishedData data;
  data.train = make_pairs(train, config, config.head.target, true, encode);
  data.val = make_pairs(val, config, config.head.target, false, encode);
  for (const std::string& instruction : instruction_templates("en")) data.prompts.push_back(text.prompt(instruction));
  return data;
}

void open_published_features(const PublishedConfig& config, PublishedData& data) {
  const FeatureSource source = row_features(config.vision, vision_kind(config.vision), config.fusion.kind == "patch");
  data.train_features = open_features(config, source, data.train);
  if (!data.val.empty()) data.val_features = open_features(config, source, data.val);
}

AnswerBatch draw_answers(const PublishedConfig& config, const PublishedData& data, std::span<const std::size_t> pairs,
                         int epoch) {
  AnswerBatch batch;
  for (const std::size_t pair : pairs) {
    const TrainPair& item = data.train[pair];
    Rng rng(config.seed, Stream::view_choice, static_cast<std::uint32_t>(epoch), pair);
    const std::size_t view = choose_view(item, rng);
    const std::vector<std::vector<int>>& known = item.texts[view].captions;
    CaptionSample sample;
    for (int k = 0; k < config.caption.captions_per_pair; ++k)
      sample.captions.push_back(known[rng.below(known.size())]);
    Rng choice(config.seed, Stream::instruction_choice, static_cast<std::uint32_t>(epoch), pair);
    sample.prompt = &data.prompts[choice.below(data.prompts.size())];
    batch.picks.push_back({pair, view});
    batch.samples.push_back(std::move(sample));
    batch.targets.push_back(item.targets[view]);
    batch.numbers.push_back(pair);
  }
  return batch;
}

AnswerBatch val_answers(const PublishedData& data, std::span<const std::size_t> pairs) {
  AnswerBatch batch;
  for (const std::size_t pair : pairs) {
    batch.picks.push_back({pair, 0});
    batch.samples.push_back({&data.prompts.front(), data.val[pair].texts[0].captions});
    batch.targets.push_back(data.val[pair].targets[0]);
    batch.numbers.push_back(kValSamples + pair);
  }
  return batch;
}

}  // namespace cp
