#include "formats/language_config.h"

#include <fmt/format.h>

#include "core/file.h"
#include "formats/json_fields.h"

namespace cp {
namespace {

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;
constexpr int kMaxSize = 1 << 24;  // of any extent; keeps products of two inside 64 bits

bool is_set(const JsonFields& fields, const Json& json, const std::string& key) {
  return fields.has(key) && !json[key].is_null();
}

// The base of the rotary embedding, in transformers 4's spelling, 5's, or both when they agree.
double read_rope_theta(JsonFields& fields, const Json& json, double absent) {
  const bool old_spelling = is_set(fields, json, "rope_theta");
  double theta = old_spelling ? fields.number("rope_theta", 1, 1e12) : absent;
  if (!is_set(fields, json, "rope_parameters")) return theta;
  JsonFields rope = fields.object("rope_parameters");
  if (rope.has("rope_type") && rope.text("rope_type") != "default")
    rope.refuse("rope_type", fmt::format("scaled RoPE is not supported, found \"{}\"", rope.text("rope_type")));
  if (rope.has("rope_theta")) {
    const double inner = rope.number("rope_theta", 1, 1e12);
    if (old_spelling && inner != theta)
      rope.refuse("rope_theta", fmt::format("{} here and {} outside", inner, theta), "Remove one of them.");
    theta = inner;
  }
  rope.finish();
  return theta;
}

// Fields that would change what the model computes.
void refuse_unsupported(JsonFields& fields, const Json& json) {
  if (fields.text("model_type") != "qwen2")
    fields.refuse("model_type", fmt::format("wanted \"qwen2\", found \"{}\"", fields.text("model_type")),
                  "Only language models of Qwen2 architecture are supported.");
  if (is_set(fields, json, "hidden_act") && fields.text("hidden_act") != "silu")
    fields.refuse("hidden_act", fmt::format("only \"silu\" is supported, found \"{}\"", fields.text("hidden_act")));
  for (const char* key : {"rope_scaling", "quantization_config"})
    if (is_set(fields, json, key)) fields.refuse(key, fmt::format("is not supported, found {}", json[key].dump()));
  if (is_set(fields, json, "use_sliding_window") && json["use_sliding_window"] != false)
    fields.refuse("use_sliding_window", "sliding-window attention is not supported");
  if (is_set(fields, json, "layer_types"))
    for (const Json& type : fields.any("layer_types"))
      if (type != "full_attention")
        fields.refuse("layer_types", fmt::format("only \"full_attention\" is supported, found {}", type.dump()));
}

void check_sizes(const JsonFields& fields, const LanguageConfig& config) {
  if (config.num_attention_heads % config.num_key_value_heads != 0)
    fields.refuse("num_key_value_heads", fmt::format("wanted a divisor of num_attention_heads {}, found {}",
                                                     config.num_attention_heads, config.num_key_value_heads));
  if (config.head_dim % 2 != 0)
    fields.refuse("head_dim", fmt::format("rotary embeddings want an even number, found {}", config.head_dim));
}

std::vector<int> read_eos(JsonFields& fields, const Json& json) {
  if (!is_set(fields, json, "eos_token_id")) return {};
  if (json["eos_token_id"].is_array()) return fields.whole_list("eos_token_id", 0, kMaxSize);
  return {fields.whole("eos_token_id", 0, kMaxSize)};
}

}  // namespace

LanguageConfig parse_language_config(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, ErrorKind::model);
  JsonFields fields(json, where);
  refuse_unsupported(fields, json);
  LanguageConfig config;
  config.hidden_size = fields.whole("hidden_size", 1, kMaxSize);
  config.num_hidden_layers = fields.whole("num_hidden_layers", 1, 1024);
  config.num_attention_heads = fields.whole("num_attention_heads", 1, 1024);
  config.intermediate_size = fields.whole("intermediate_size", 1, kMaxSize);
  config.vocab_size = fields.whole("vocab_size", 1, kMaxSize);
  config.num_key_value_heads = is_set(fields, json, "num_key_value_heads")
                                   ? fields.whole("num_key_value_heads", 1, config.num_attention_heads)
                                   : config.num_attention_heads;
  if (is_set(fields, json, "head_dim")) {
    config.head_dim = fields.whole("head_dim", 2, 65536);
  } else if (config.hidden_size % config.num_attention_heads != 0) {
    fields.refuse("num_attention_heads", fmt::format("wanted a divisor of hidden_size {}, found {}", config.hidden_size,
                                                     config.num_attention_heads));
  } else {
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  check_sizes(fields, config);
  config.rope_theta = read_rope_theta(fields, json, config.rope_theta);
  if (is_set(fields, json, "rms_norm_eps")) config.rms_norm_eps = fields.number("rms_norm_eps", 0, 1);
  if (is_set(fields, json, "tie_word_embeddings"))
    config.tie_word_embeddings = json_bool(json, "tie_word_embeddings", where, ErrorKind::model);
  if (is_set(fields, json, "max_position_embeddings"))
    config.max_position_embeddings = fields.whole("max_position_embeddings", 1, kMaxSize);
  config.eos_token_ids = read_eos(fields, json);
  for (const char* key : {"torch_dtype", "dtype"})
    if (is_set(fields, json, key)) config.dtype = fields.text(key);
  return config;  // other fields (dropout, initialisation, versions) do not change the computation
}

LanguageConfig read_language_config(const std::filesystem::path& path) {
  return parse_language_config(read_file(path, kMaxConfigBytes, ErrorKind::model), path.string());
}

void write_language_config(const std::filesystem::path& path, const LanguageConfig& config) {
  OrderedJson json;
  json["architectures"] = {"Qwen2ForCausalLM"};
  json["model_type"] = "qwen2";
  json["hidden_act"] = "silu";
  json["hidden_size"] = config.hidden_size;
  json["num_hidden_layers"] = config.num_hidden_layers;
  json["num_attention_heads"] = config.num_attention_heads;
  json["num_key_value_heads"] = config.num_key_value_heads;
  json["head_dim"] = config.head_dim;
  json["intermediate_size"] = config.intermediate_size;
  json["vocab_size"] = config.vocab_size;
  json["max_position_embeddings"] = config.max_position_embeddings;
  json["rms_norm_eps"] = config.rms_norm_eps;
  json["rope_theta"] = config.rope_theta;
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", config.rope_theta}};
  json["tie_word_embeddings"] = config.tie_word_embeddings;
  json["use_sliding_window"] = false;
  if (config.eos_token_ids.size() == 1) json["eos_token_id"] = config.eos_token_ids.front();
  if (config.eos_token_ids.size() > 1) json["eos_token_id"] = config.eos_token_ids;
  json["torch_dtype"] = config.dtype;
  const std::string text = json.dump(2) + "\n";
  parse_language_config(text, path.string() + " (to be written)");
  write_file_durable(path, text);
}

}  // namespace cp
