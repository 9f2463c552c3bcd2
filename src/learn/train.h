#pragma once
// In:  a configuration and what the user asked for.
// Out: a trained run folder.
// Not here: parsing flags (cli/), pages about a run (report/), LibTorch (kept out of this header).

#include <cstdint>
#include <filesystem>
#include <functional>

#include "core/json.h"
#include "learn/published_config.h"
#include "learn/train_config.h"

namespace cp {

struct TrainRequest {
  int phase = 0;                // 1: captions (text, map, caption); 2: action head; 0: both
  bool resume = false;          // continue the newest good checkpoint of config.out
  std::int64_t stop_after = 0;  // updates; then save and stop as a signal would (exit code 130). 0 = never
  // Called after each line that has reached metrics.jsonl, with the run folder; may be empty. Must not throw.
  std::function<void(const std::filesystem::path& run, const OrderedJson& line)> logged;
};

// Returns the exit code: 0 done, 130 or 143 stopped by a signal after saving. Progress and notes go to stderr, the path
// of the last checkpoint's model to stdout. Throws UserError.
int run_training(const TrainConfig& config, const TrainRequest& request);      // the nano design
int run_training(const PublishedConfig& config, const TrainRequest& request);  // the published one

// Prints the memory table of each stage (train --dry-run) and trains nothing. Returns 0. Throws UserError(memory) after
// it when a stage will not stay within config.memory_limit.
int print_memory_plan(const PublishedConfig& config, bool json);

}  // namespace cp
