#pragma once
// In:  a PublishedConfig.
// Out: the published design: stages caption (phase 1) and head (phase 2), or one joint stage.
// Not here: the stages (published_stages.h), the memory plan (memory_plan.h).

#include <filesystem>
#include <optional>

#include "learn/published_stages.h"
#include "learn/recipe.h"

namespace cp {

class PublishedRecipe : public Recipe {
 public:
  // Throws UserError(usage) for values out of range.
  explicit PublishedRecipe(const PublishedConfig& config);

  const RunOptions& options() const override { return config_; }
  OptionSet settings() override { return OptionSet(config_); }
  at::Device device() const override { return device_; }
  double memory_limit() const override { return limit_; }
  std::vector<std::string> stages() const override;
  std::size_t phase1() const override { return 1; }
  void prepare(const std::filesystem::path& model_folder) override;
  TrainedModel& model() override { return *model_; }
  std::unique_ptr<Stage> make_stage(const std::string& name) override;

 private:
  PublishedConfig config_;
  at::Device device_;
  double limit_ = 0;
  PublishedData data_;
  std::optional<PublishedModel> model_;
};

// Prompts, captions and targets, without features.
PublishedData read_published_data(const PublishedConfig& config);

// The language folder that is trained on: config.language itself, or its NF4 form, made in config.cache when it is not
// there yet.
std::filesystem::path frozen_language(const PublishedConfig& config);

}  // namespace cp
