#pragma once
// In:  a TrainConfig.
// Out: the nano design: stages text, map and caption (phase 1, calibrated after map), head (phase 2).
// Not here: the stages (stages.h), calibration (calibrate.h).

#include <optional>

#include "learn/calibrate.h"
#include "learn/nano_model.h"
#include "learn/recipe.h"
#include "learn/stages.h"
#include "learn/train_data.h"

namespace cp {

class NanoRecipe : public Recipe {
 public:
  explicit NanoRecipe(const TrainConfig& config) : config_(config) {}

  const RunOptions& options() const override { return config_; }
  OptionSet settings() override { return OptionSet(config_); }
  std::vector<std::string> stages() const override;
  std::size_t phase1() const override { return 3; }
  void prepare(const std::filesystem::path& model_folder) override;
  TrainedModel& model() override { return *model_; }
  std::unique_ptr<Stage> make_stage(const std::string& name) override;
  bool after_stage(const std::string& name, const std::function<bool()>& stop, OrderedJson& line) override;

 private:
  std::optional<CrossFit> find_cross_fit() const;
  void prepare_head();
  bool calibrate_regions(const std::function<bool()>& stop, OrderedJson& line);

  TrainConfig config_;
  TrainData data_;
  std::optional<NanoModel> model_;
  std::optional<CrossFit> cross_fit_;
  std::optional<HeadStage::Data> head_data_;
};

}  // namespace cp
