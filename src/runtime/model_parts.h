#pragma once
// In:  a checked changepilot.json and the folder it stands in.
// Out: the parts of the model, loaded and checked against one another.
// Not here: answering (session.h), the parts themselves.

#include <filesystem>
#include <string>
#include <variant>

#include "formats/model_folder.h"
#include "runtime/fusion.h"
#include "runtime/language_model.h"
#include "runtime/pair_fusion.h"
#include "runtime/vision.h"

namespace cp {

// Refuses, by the field's name, a manifest that this build does not compute. Throws UserError(model).
void check_supported(const ModelManifest& manifest, const std::string& where);

// With its adapter, when the manifest names one.
LanguageModel load_language(const ModelManifest& manifest, const std::filesystem::path& folder);

// The shape of a fusion of feature rows (docs/published.md).
PairFusion::Shape pair_fusion_shape(const ModelManifest& manifest, const VisionEncoder& vision, int hidden);

std::variant<Fusion, PairFusion> load_fusion(const ModelManifest& manifest, const std::filesystem::path& folder,
                                             const VisionEncoder& vision, int hidden);

}  // namespace cp
