#pragma once
// In:  a PEFT LoRA adapter folder (adapter_config.json, adapter_model.safetensors) and the linear modules of its base.
// Out: A, B and scale of each adapted module, complete and checked; the folder written so that PEFT reads it.
// Not here: what the configuration selects (lora_config.h), training (learn/lora.h).

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/lora_config.h"
#include "formats/safetensors.h"

namespace cp {

// y = W x + scale B A x
struct LoraModule {
  std::vector<float> a;  // (rank in)
  std::vector<float> b;  // (out rank)
  int rank = 0;
  double scale = 0;
};

struct Adapter {
  LoraConfig config;
  std::map<std::string, LoraModule> modules;  // by the base model's name: "model.layers.0.self_attn.q_proj"
};

// Name of A ('A') or B ('B') in a file of PEFT's.
std::string lora_tensor_name(const std::string& module, char matrix);

// Reads names as PEFT writes them (base_model.model.MODULE.lora_A.weight), without the outer prefix
// (MODULE.lora_A.weight, or base_model.MODULE...), and with one adapter's name in them (lora_A.default.weight).
// Throws UserError(model): the configuration (lora_config.h); tensors missing, unknown or mis-shaped, all in one error;
// no tensor at all; values that are not finite; adapter_model.bin, which is a pickle.
Adapter read_adapter(const std::filesystem::path& folder, const std::vector<LinearShape>& base);

// Durable; the configuration is written last. `dtype` (f32, f16, bf16) of the tensors. Throws UserError(numeric) when a
// value is not finite in that dtype. Ranks and scales that are not those of the configuration are bugs.
void write_adapter(const std::filesystem::path& folder, const LoraConfig& config,
                   const std::map<std::string, LoraModule>& modules, DType dtype = DType::f32);

// weight (out in) += sign * scale * B A, with float32 sums. With sign -1 it undoes itself up to one rounding of each
// addition: 2^-23 (max|weight| + max|scale B A|).
void add_lora(std::span<float> weight, const LoraModule& module, float sign = 1);

}  // namespace cp
