#pragma once
// In:  a vision folder and a language folder in Hugging Face's form, perhaps a PEFT adapter, and the switches.
// Out: a model folder (docs/files.md) whose fusion and action head stand at their start values, ready to be trained.
// Not here: training (learn/), quantisation (formats/quantize_folder.h).

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/options.h"

namespace cp {

struct AssembleOptions {
  std::string vision, language;   // folders
  std::string adapter;            // folder; empty: none
  std::string fusion = "concat";  // patch, concat or subtract
  std::string head = "diffusion";
  std::string condition = "last_token";
  std::string template_name;  // empty: by the language folder's chat template
  std::string name;           // empty: the name of the folder that is made
  int width = 512;
  bool reference = false;
  std::uint64_t seed = 0;

  template <class V>
  void fields(V&& v) {
    v("vision", vision, "folder of a CLIP model or of an EfficientNet-Lite0");
    v("language", language, "folder of a language model of Qwen2 or Llama architecture");
    v("adapter", adapter, "folder of a PEFT LoRA adapter for it");
    v("fusion", fusion, "patch, concat or subtract");
    v("head", head, "action head: diffusion, flow, regression or heatmap");
    v("condition", condition, "its condition: none, last_token, pooled, visual_attention, queries or visual_grid");
    v("template", template_name,
      "template of the prompt: plain, qwen2.5, smollm2 or chatml; empty: the language folder's");
    v("name", name, "name of the model; empty: that of the folder");
    v("width", width, "channels of the fusion");
    v("reference", reference, "refer to the folders by absolute path and sha256 instead of copying them");
    v("seed", seed, "seed of the fusion's and the head's start values");
  }
};

// The names and numbers of the options are checked before anything is read, every part before anything is written.
// `out` must not exist; it is written under another name and renamed when it is complete. Throws UserError(usage,
// model, write).
void assemble_model(const AssembleOptions& options, const std::filesystem::path& out);

// A part's path for changepilot.json: the absolute one of `from`, or `name` after copying what a model reads of it
// (*.json, *.jinja, *.safetensors) into `model`/`name`.
std::string place_part(bool reference, const std::filesystem::path& from, const std::filesystem::path& model,
                       const std::string& name);

}  // namespace cp
