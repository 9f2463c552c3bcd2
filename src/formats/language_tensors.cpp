#include "formats/language_tensors.h"

#include <fmt/format.h>

namespace cp {

std::vector<LinearShape> language_linears(const LanguageConfig& config) {
  const std::int64_t hidden = config.hidden_size, inner = config.intermediate_size, head = config.head_dim;
  const std::int64_t queries = config.num_attention_heads * head, keys = config.num_key_value_heads * head;
  std::vector<LinearShape> linears;
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto add = [&](const char* name, std::int64_t out, std::int64_t in) {
      linears.push_back({fmt::format("model.layers.{}.{}", layer, name), out, in});
    };
    add("self_attn.q_proj", queries, hidden);
    add("self_attn.k_proj", keys, hidden);
    add("self_attn.v_proj", keys, hidden);
    add("self_attn.o_proj", hidden, queries);
    add("mlp.gate_proj", inner, hidden);
    add("mlp.up_proj", inner, hidden);
    add("mlp.down_proj", hidden, inner);
  }
  return linears;
}

bool has_bias(const LanguageConfig& config, const std::string& linear) {
  return config.qkv_bias() && (linear.ends_with("q_proj") || linear.ends_with("k_proj") || linear.ends_with("v_proj"));
}

}  // namespace cp
