#pragma once
// In:  a checked changepilot.json and the folder it stands in.
// Out: the parts of the model, loaded and checked against one another.
// Not here: answering (session.h), the parts themselves.

#include <filesystem>
#include <string>
#include <variant>

#include "formats/model_folder.h"
#include "image/preprocess.h"
#include "runtime/action_head.h"
#include "runtime/fusion.h"
#include "runtime/language_model.h"
#include "runtime/pair_fusion.h"
#include "runtime/vision.h"
#include "text/template.h"

namespace cp {

// Refuses, by the field's name, a manifest that this build does not compute. Throws UserError(model).
void check_supported(const ModelManifest& manifest, const std::string& where);

// How images are prepared for an encoder that reads squares of `size` px.
Preprocess load_preprocess(const std::filesystem::path& vision_folder, int size);

// The tokenizer of the language folder, when it fits the model's vocabulary and has the control tokens of the prompt's
// form, and when the default prompt leaves the model room for an answer. Throws UserError(model).
BpeTokenizer load_tokenizer(const ModelManifest& manifest, const std::filesystem::path& language_folder,
                            const LanguageConfig& config);
int visual_count(const ModelManifest& manifest);  // N
Prompt make_prompt(const ModelManifest& manifest, const BpeTokenizer& tokenizer, const std::string& instruction);
// The same from the manifest's parts; `where` names the source of the template's name.
Prompt make_prompt(const std::string& template_name, const std::string& where, const BpeTokenizer& tokenizer,
                   const std::string& instruction, int visual_count);

HeadShape head_shape(const ModelManifest& manifest, int hidden);
// The head's schedule, sampler and steps made ready.
ActionHead::Sampling head_sampling(const ModelManifest& manifest, const std::string& where);

// With its adapter, when the manifest names one.
LanguageModel load_language(const ModelManifest& manifest, const std::filesystem::path& folder,
                            Products products = Products::fast);

// Refuses weights that are not finite: they would make every answer abstain. Throws UserError(model).
ActionHead load_head(const ModelManifest& manifest, const std::filesystem::path& folder, int hidden);

// The shape of a fusion of feature rows (docs/published.md): as a new model has it, and as a manifest says.
PairFusion::Shape pair_fusion_shape(const std::string& kind, int width, const VisionShape& vision, int hidden);
PairFusion::Shape pair_fusion_shape(const ModelManifest& manifest, const VisionShape& vision, int hidden);

std::variant<Fusion, PairFusion> load_fusion(const ModelManifest& manifest, const std::filesystem::path& folder,
                                             const VisionEncoder& vision, int hidden);

}  // namespace cp
