#pragma once
// In:  the sizes of a language model.
// Out: names and shapes of its linear modules, as Hugging Face names them.
// Not here: their weights (safetensors.h), the model (runtime/language_model.h, learn/language_net.h).

#include <cstdint>
#include <string>
#include <vector>

#include "formats/language_config.h"

namespace cp {

// A linear module: its weight NAME.weight is (out in).
struct LinearShape {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  std::int64_t out = 0, in = 0;
};

// q, k, v, o, gate, up and down of each layer, in this order, layer by layer. Not lm_head.
std::vector<LinearShape> language_linears(const LanguageConfig& config);
// Whether this linear module has a bias: q, k and v of Qwen2.
bool has_bias(const LanguageConfig& config, const std::string& linear);

}  // namespace cp
