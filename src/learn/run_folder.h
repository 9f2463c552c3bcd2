#pragma once
// In:  a run's configuration, model, optimiser and state.
// Out: runs/NAME/{config.yaml, metrics.jsonl, checkpoints/STEP/{model/, training_state/}, last, best}, each checkpoint
//      published whole by a rename; the newest good one restored.
// Not here: the training loop (trainer.h).

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "formats/model_folder.h"
#include "learn/run_options.h"
#include "learn/trainer.h"

namespace cp {

// What a run trains.
class TrainedModel {
 public:
  virtual ~TrainedModel() = default;

  // The whole model folder (docs/files.md).
  virtual void save(const std::filesystem::path& folder) const = 0;
  // Everything that training changes, with a prefix for the names in training_state/: "head." and "average." are the
  // action head's.
  virtual std::vector<std::pair<ParamSet*, std::string>> weights() = 0;
  // The weights of a model folder that has the same shapes. Throws UserError; a design may know none but checkpoints.
  virtual void load_weights(const std::filesystem::path& folder, bool with_head);

  ModelManifest manifest;
};

// What the configuration says of the head, for changepilot.json.
void note_head(const HeadOptions& options, ModelManifest& manifest);

class RunFolder {
 public:
  // Both must outlive the folder; `settings` holds the whole effective configuration.
  RunFolder(const RunOptions& options, OptionSet settings);

  // Fresh run: refuses a folder that holds checkpoints (UserError(usage)); writes config.yaml.
  void start_fresh();

  // What a checkpoint says, without the weights. Verified: a checkpoint whose files do not match their recorded sha256
  // is moved aside (renamed to *.bad), said so on stderr, and the one before is tried.
  struct Saved {
    std::filesystem::path folder;
    TrainState state;
  };
  std::optional<Saved> newest();
  // What another run starts from: a run (its last checkpoint), a checkpoint, or a model folder. Throws
  // UserError(model).
  struct Start {
    std::filesystem::path model;
    std::filesystem::path weights;  // the same in float32 (training_state/); empty when there is a model folder alone
  };
  static Start find_start(const std::filesystem::path& from);
  // Weights and calibration. The head's weights are left as they are unless `with_head`.
  static void load_start(const Start& start, TrainedModel& model, bool with_head);

  // Restores weights and manifest; optimiser state is read by load_optimiser once the stage's groups exist.
  static void load_model(const Saved& saved, TrainedModel& model);
  static void load_optimiser(const Saved& saved, AdamW& optimiser);

  void save(const TrainState& state, const AdamW& optimiser, TrainedModel& model, bool is_best);
  void log(const OrderedJson& line);
  // Drops the lines of metrics.jsonl that lie behind `step`: a resumed run writes them again.
  void rewind_log(std::int64_t step);

  const std::filesystem::path& path() const { return folder_; }

 private:
  void prune();

  std::filesystem::path folder_;
  const RunOptions& options_;
  OptionSet settings_;
};

}  // namespace cp
