#pragma once
// In:  a Stage, a run folder's writer.
// Out: trained parameters; metrics.jsonl lines; checkpoints at epoch ends and on a signal; a state that resumes to the
// bit. Not here: what is learned (stages.h), what a checkpoint holds (run_folder.h).

#include <cstdint>
#include <functional>

#include "learn/stage.h"

namespace cp {

// Where a run stands. Nothing else is needed besides weights and optimiser state: all randomness is computed.
struct TrainState {
  std::string stage;      // the stage in progress, "" before the first
  int epoch = 0;          // epoch in progress of that stage
  int step_in_epoch = 0;  // updates done in it
  std::int64_t step = 0;  // updates done in the whole run
  double best = 0;        // lowest monitored value of the stage
  bool has_best = false;
  double loss_scale = 65536;  // of stages that scale their loss (float16)
};

// What the loop tells its owner. Any of them may be empty.
struct TrainHooks {
  std::function<void(const OrderedJson& line)> log;                         // one line of metrics.jsonl
  std::function<void(const TrainState&, const AdamW&, bool is_best)> save;  // a checkpoint
  std::function<bool()> stop;                                               // asked after each update
  int save_every = 0;                                                       // updates; 0 = at epoch ends only
};

// Learning rate of update `step` (from 0) of `total`: linear warm-up, then a cosine down to final_share of the peak.
double learning_rate(const StageOptions& options, std::int64_t step, std::int64_t total);

// Trains from state.epoch/step_in_epoch on. `optimiser` holds the stage's parameters. Returns false when stopped by the
// hook (state then says where). Throws UserError(numeric) after three updates in a row whose loss or gradient is not
// finite.
bool train_stage(Stage& stage, AdamW& optimiser, TrainState& state, std::uint64_t seed, const TrainHooks& hooks);

}  // namespace cp
