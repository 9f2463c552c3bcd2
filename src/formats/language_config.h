#pragma once
// In:  config.json of a Hugging Face folder of Qwen2 or Llama architecture.
// Out: the numbers that fix its computation; the same written so that transformers 4 and 5 read it.
// Not here: weights (safetensors.h), the model (runtime/language_model.h, learn/).

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace cp {

// Llama's layer is Qwen2's without biases on q, k and v.
enum class Architecture { qwen2, llama };

// "quantization_config" of a folder whose linear layers are stored in bitsandbytes' NF4 (formats/nf4.h).
struct Nf4Config {
  bool double_quant = true;
  std::string compute_dtype = "bfloat16";  // what transformers would compute in; information only
};

// Names as in config.json. Defaults are those that transformers takes for an absent key; the sizes without a default
// must be there.
struct LanguageConfig {
  Architecture architecture = Architecture::qwen2;  // "model_type"
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;  // absent or null: num_attention_heads
  int intermediate_size = 0;
  int vocab_size = 0;  // rows of the embedding; may exceed the tokenizer's size
  int head_dim = 0;    // absent or null: hidden_size / num_attention_heads
  double rope_theta = 10000;
  double rms_norm_eps = 1e-6;
  bool tie_word_embeddings = false;
  int max_position_embeddings = 32768;
  std::vector<int> eos_token_ids;  // "eos_token_id": absent, a number or a list
  std::string dtype = "float32";   // "dtype" or "torch_dtype": what the weights were stored as; information only
  std::optional<Nf4Config> nf4;    // "quantization_config"

  bool qkv_bias() const { return architecture == Architecture::qwen2; }
};

// Throws UserError(model) naming the field: absent, of another type, out of range, sizes that do not divide, set to
// something that would change the computation and is not supported (other model_type or hidden_act, scaled RoPE,
// sliding windows, biases of Llama's, other quantisation than NF4), or unknown and switched on (neither null, false nor
// empty). RoPE's base is read from "rope_theta" or transformers 5's "rope_parameters".
LanguageConfig read_language_config(const std::filesystem::path& config_json);
LanguageConfig parse_language_config(std::string_view json, const std::string& where);

// "quantization_config" as transformers and bitsandbytes want it.
Json quantization_json(const Nf4Config& config);

// Durable. Checks as the reader does.
void write_language_config(const std::filesystem::path& config_json, const LanguageConfig& config);

}  // namespace cp
