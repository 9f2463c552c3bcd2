#pragma once
// In:  a run's configuration, model, optimiser and state.
// Out: runs/NAME/{config.yaml, metrics.jsonl, checkpoints/STEP/{model/, training_state/}, last, best}, each checkpoint
//      published whole by a rename; the newest good one restored.
// Not here: the training loop (trainer.h).

#include <filesystem>
#include <optional>
#include <string>

#include "learn/nano_model.h"
#include "learn/trainer.h"

namespace cp {

class RunFolder {
 public:
  RunFolder(std::filesystem::path folder, const TrainConfig& config);

  // Fresh run: refuses a folder that holds checkpoints (UserError(usage)); writes config.yaml.
  void start_fresh();

  // What a checkpoint says, without the weights. Verified: a checkpoint whose files do not match their recorded sha256
  // is moved aside (renamed to *.bad), said so on stderr, and the one before is tried.
  struct Saved {
    std::filesystem::path folder;
    TrainState state;
    std::string tokenizer_json;
    std::vector<std::string> concepts;
  };
  std::optional<Saved> newest();
  // Restores weights and manifest; optimiser state is read by load_optimiser once the stage's groups exist.
  static void load_model(const Saved& saved, NanoModel& model);
  static void load_optimiser(const Saved& saved, AdamW& optimiser);

  void save(const TrainState& state, const AdamW& optimiser, const NanoModel& model, bool is_best);
  void log(const OrderedJson& line);
  // Drops the lines of metrics.jsonl that lie behind `step`: a resumed run writes them again.
  void rewind_log(std::int64_t step);

  const std::filesystem::path& path() const { return folder_; }

 private:
  void prune();

  std::filesystem::path folder_;
  const TrainConfig& config_;
};

}  // namespace cp
