#pragma once
// In:  a model folder.
// Out: nothing, or one error that lists everything that is wrong with it.
// Not here: answering (session.h), how a part is read and checked (model_parts.h).

#include <filesystem>

#include "formats/model_folder.h"

namespace cp {

// Reads every part as an answer would, compares every file with its sha256 and looks at every weight: missing, unknown
// and mis-shaped tensors, values that are not finite, parts that do not fit one another. Throws UserError(model).
// Returns what changepilot.json says.
ModelManifest check_model(const std::filesystem::path& folder);

}  // namespace cp
