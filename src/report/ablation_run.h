#pragma once
// In:  the cells of an ablation, and the program that trains and validates.
// Out: OUT/TABLE/CELL/seed-S/{run/, validate/, status.json, train.log, validate.log}, each cell run once for each
//      configuration it ever had; what is missing is said.
// Not here: the numbers (ablation_tables.h).

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "report/ablation_config.h"

namespace cp {

inline constexpr int kCellsFailedExitCode = 8;

struct AblationProgram {
  std::filesystem::path path;  // of `changepilot`
  std::string version;
  // The model folder of a checkpoint or run folder; throws UserError. Its changepilot.json identifies a trunk.
  std::function<std::filesystem::path(const std::filesystem::path&)> model_of;
  std::function<void(const std::string&)> say;  // one line for people
};

// One cell with one seed.
struct AblationTask {
  std::size_t cell = 0;
  int seed = 0;
  std::filesystem::path folder;
  std::size_t model = 0;                     // index of the task that trains its model; its own: it trains
  std::vector<std::string> train, validate;  // commands; `train` is empty where another task trains
  std::string train_hash, validate_hash;     // of all that a result depends on; of the owner's training
  std::string label;                         // "heads/flow-pooled seed 2"
  std::string fault;                         // why its trunk cannot be read; empty: it can, or there is none
};

// All tasks, the first seed of every cell before the second of any. Reads the base file (UserError) and the trunks.
std::vector<AblationTask> plan_ablation(const AblationConfig& config, const AblationProgram& program);

// How a task stands: "done" counts for the configuration of now only; a task without a training of its own stands like
// its owner where that one's training failed.
struct AblationStatus {
  enum class State { todo, changed, done, failed, interrupted };
  State state = State::todo;
  int code = 0;           // of the step that failed
  std::string last_line;  // of its log
  std::string step;       // "train" or "validate"
};
AblationStatus status_of(const std::vector<AblationTask>& tasks, std::size_t index);

// Runs what is not done among the tasks of `tables` (names; empty: all), and the trainings that they need. Locks OUT.
// UserError(model) before anything is run where a trunk is missing that one of them needs.
// 0: all done; kCellsFailedExitCode: some failed; 128 + n: stopped by signal n.
int run_ablation(const AblationConfig& config, const AblationProgram& program, const std::vector<AblationTask>& tasks,
                 const std::set<std::string>& tables);

// What run_ablation would start, one line each; a "# ..." line before each cell.
std::string dry_run_text(const AblationConfig& config, const std::vector<AblationTask>& tasks,
                         const std::set<std::string>& tables);

}  // namespace cp
