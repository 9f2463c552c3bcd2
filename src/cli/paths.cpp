#include "cli/paths.h"

#include <cstdlib>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

// A model folder is known by its changepilot.json.
bool is_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "changepilot.json", ignored);
}

}  // namespace

fs::path executable_folder() {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  return failed ? fs::current_path() : program.parent_path();
}

fs::path default_model_folder(const fs::path& program) {
  if (const char* named = std::getenv("CHANGEPILOT_MODEL"); named && *named) return named;
  for (fs::path folder = program;; folder = folder.parent_path()) {
    if (is_model(folder / "models/nano")) return folder / "models/nano";
    if (folder == folder.parent_path()) break;
  }
  const fs::path installed = program.parent_path() / "share/changepilot/models/nano";
  if (is_model(installed)) return installed;
  throw UserError(ErrorKind::model, "--model",
                  fmt::format("no model named, and no models/nano at or above {}.", program.string()),
                  "Name a model folder with --model or CHANGEPILOT_MODEL.");
}

// The last state of a run rather than its best one by validation loss: figures of that would not be held out.
fs::path checkpoint_model_folder(const fs::path& path) {
  for (const char* inside : {"model", "last/model", "checkpoints/last/model", "best/model", "checkpoints/best/model"})
    if (is_model(path / inside)) return path / inside;
  std::error_code ignored;
  throw UserError(
      ErrorKind::model, path.string(),
      fs::exists(path, ignored)
          ? "wanted a checkpoint (a folder with model/) or a run (with checkpoints/last), found neither."
          : "there is no such folder.",
      is_model(path) ? "It is a model folder: name it with --model." : "Checkpoints stand in runs/NAME/checkpoints.");
}

fs::path chosen_model_folder(const std::string& model, const std::string& checkpoint) {
  if (!model.empty() && !checkpoint.empty())
    throw UserError(ErrorKind::usage, "command line", "--model and --checkpoint both name a model.",
                    "Give one of them.");
  if (!checkpoint.empty()) return checkpoint_model_folder(checkpoint);
  return model.empty() ? default_model_folder(executable_folder()) : fs::path(model);
}

}  // namespace cp
