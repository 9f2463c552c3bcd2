#pragma once
// In:  adapter_config.json of a PEFT LoRA adapter, or the options of a training run.
// Out: which modules of a model are adapted, and with which rank and scale; the JSON that PEFT reads.
// Not here: the adapter's weights (peft_adapter.h), training (learn/lora.h).

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/language_tensors.h"

namespace cp {

inline constexpr const char* kAllLinear = "all-linear";

// Names of PEFT's LoraConfig; the defaults are those of a new adapter, not of an absent key.
struct LoraConfig {
  int r = 8;                // 1 to 65536
  double alpha = 16;        // "lora_alpha", above 0
  double dropout = 0.05;    // "lora_dropout", [0, 1); of the input of A, in training
  bool use_rslora = false;  // scale alpha/sqrt(r) (arXiv:2312.03732)
  std::vector<std::string> target_modules = {"q_proj", "v_proj"};  // ends of dotted names, or {kAllLinear}
  std::vector<int> layers_to_transform;                            // empty: all layers
  // Rank and alpha of single modules; the first entry that matches counts, as PEFT's pattern (.*\.)?(KEY)$ does: the
  // end of a dotted name in which "." stands for any character, or with "^" in front the whole name.
  std::vector<std::pair<std::string, int>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  std::string task_type = "CAUSAL_LM";  // information only, as is:
  std::string base_model_name_or_path;
};

// Throws UserError(model) naming the field: absent (peft_type, r, lora_alpha, target_modules), of another type, out of
// range, or set to something that would change the computation and is not supported (DoRA, biases, modules saved
// whole, weights whose start changed the base model, regular expressions, ...). Fields unknown here are accepted when
// they cannot be active: null, false or empty.
LoraConfig parse_lora_config(std::string_view json, const std::string& where);

// The text of adapter_config.json. Throws as the reader does.
std::string lora_config_text(const LoraConfig& config);

// The modules of `base` that the configuration adapts, in the order of `base`. Throws UserError(model) when a target, a
// pattern or a layer names nothing in `base`, so that a misspelt name is not taken for the default.
std::vector<LinearShape> lora_targets(const std::vector<LinearShape>& base, const LoraConfig& config,
                                      const std::string& where = "LoRA configuration");

// Of one module: its rank, and the factor of B A: alpha/r, or alpha/sqrt(r) with use_rslora.
int lora_rank(const LoraConfig& config, const std::string& module);
double lora_scale(const LoraConfig& config, const std::string& module);

}  // namespace cp
