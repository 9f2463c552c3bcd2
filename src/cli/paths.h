#pragma once
// In:  where the program stands, CHANGEPILOT_MODEL, what the user typed after --checkpoint.
// Out: the folder of the model that is meant.
// Not here: reading it (formats/model_folder.h).

#include <filesystem>
#include <string>

namespace cp {

// Folder of the running program, links resolved.
std::filesystem::path executable_folder();

// The model that is used when none is named: CHANGEPILOT_MODEL, else models/nano in the program's folder or one above
// it (a build folder inside the sources), else ../share/changepilot/models/nano (an installed program). `program` is
// the folder to start from. Throws UserError(model) when there is none.
std::filesystem::path default_model_folder(const std::filesystem::path& program);

// The model folder of a checkpoint. `path` may be a checkpoint (runs/NAME/checkpoints/000500, .../best, .../last), the
// checkpoints folder, or the run: the last two mean the best checkpoint, or the last one while there is no best yet.
// Throws UserError(model).
std::filesystem::path checkpoint_model_folder(const std::filesystem::path& path);
// The folder that --model or --checkpoint names (both at once: UserError(usage)), else the default one.
std::filesystem::path chosen_model_folder(const std::string& model, const std::string& checkpoint);

}  // namespace cp
