#pragma once
// In:  a PublishedConfig, the language folder's tokenizer.
// Out: what the published design learns from: prompts, captions as ids, targets, features; what a batch holds.
// Not here: losses (published_stages.h), rows (caption_rows.h).

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "learn/caption_rows.h"
#include "learn/pair_data.h"
#include "learn/published_config.h"
#include "text/bpe_tokenizer.h"
#include "text/template.h"

namespace cp {

// What the language model reads and writes, as text ids.
class PublishedText {
 public:
  // `template_name` empty: the one that the language folder's files hold. Throws UserError(model).
  PublishedText(const std::filesystem::path& language_folder, const std::string& template_name, int visual_count);

  Prompt prompt(const std::string& instruction) const;
  std::vector<int> caption_ids(const std::string& caption) const;  // with the end token

 private:
  BpeTokenizer tokenizer_;
  std::string template_name_;
  int visual_count_;
};

struct PublishedData {
  std::vector<TrainPair> train, val;
  std::vector<Prompt> prompts;  // one an instruction; the first is the default
  FeatureCache train_features, val_features;
};

// Without features.
PublishedData load_published_data(const PublishedConfig& config, const PublishedText& text);
// Computes what the cache lacks.
void open_published_features(const PublishedConfig& config, PublishedData& data);

// What one batch holds. Points into the data.
struct AnswerBatch {
  std::vector<Pick> picks;
  std::vector<CaptionSample> samples;
  std::vector<ActionTarget> targets;
  std::vector<std::size_t> numbers;  // of the samples, for the noise draws
};

// Views, captions and instructions of training pairs, f(seed, epoch, pair).
AnswerBatch draw_answers(const PublishedConfig& config, const PublishedData& data, std::span<const std::size_t> pairs,
                         int epoch);
// Validation pairs with all their captions and the default instruction.
AnswerBatch val_answers(const PublishedData& data, std::span<const std::size_t> pairs);

}  // namespace cp
