#pragma once
// In:  the configuration of one design.
// Out: its data, its networks and its stages, in the form that a training run drives (train.cpp).
// Not here: the loop (trainer.h), the designs (nano_recipe.h, published_recipe.h).

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "learn/run_folder.h"
#include "learn/stage.h"

namespace cp {

class Recipe {
 public:
  virtual ~Recipe() = default;

  virtual const RunOptions& options() const = 0;
  virtual OptionSet settings() = 0;  // refers to the recipe's configuration
  virtual at::Device device() const { return at::kCPU; }
  virtual double memory_limit() const { return 0; }  // bytes; 0: none
  // Names in order. Those of phase 1 come first, `phase1()` of them.
  virtual std::vector<std::string> stages() const = 0;
  virtual std::size_t phase1() const = 0;

  // Makes data and networks ready: fresh ones, or those of the model folder of a run that is continued (without its
  // weights). Called once, before what follows.
  virtual void prepare(const std::filesystem::path& model_folder) = 0;
  virtual TrainedModel& model() = 0;
  virtual std::unique_ptr<Stage> make_stage(const std::string& name) = 0;
  // After a stage has ended; what it finds out goes into model().manifest. `line` gets what metrics.jsonl shall hold,
  // or stays empty. False when `stop` said so.
  virtual bool after_stage(const std::string& /*name*/, const std::function<bool()>& /*stop*/, OrderedJson& /*line*/) {
    return true;
  }
};

}  // namespace cp
