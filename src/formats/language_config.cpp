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

// A bool that may be absent or null.
bool flag(JsonFields& fields, const Json& json, const char* key) {
  return is_set(fields, json, key) && fields.boolean(key);
}

// Only what bitsandbytes writes for NF4 with its default storage; everything else would be read wrongly.
std::optional<Nf4Config> read_quantization(JsonFields& fields, const Json& json) {
  if (!is_set(fields, json, "quantization_config")) return std::nullopt;
  JsonFields q = fields.object("quantization_config");
  const Json& inner = json["quantization_config"];
  const auto want = [&](const char* key, const char* value) {
    if (q.text(key) != value) q.refuse(key, fmt::format("only \"{}\" is supported, found \"{}\"", value, q.text(key)));
  };
  want("quant_method", "bitsandbytes");
  if (!flag(q, inner, "load_in_4bit")) q.refuse("load_in_4bit", "only 4-bit folders are supported");
  if (flag(q, inner, "load_in_8bit")) q.refuse("load_in_8bit", "LLM.int8() is not supported");
  want("bnb_4bit_quant_type", "nf4");
  if (is_set(q, inner, "bnb_4bit_quant_storage")) want("bnb_4bit_quant_storage", "uint8");
  Nf4Config config;
  config.double_quant = flag(q, inner, "bnb_4bit_use_double_quant");
  config.compute_dtype = "float32";
  if (is_set(q, inner, "bnb_4bit_compute_dtype"))
    config.compute_dtype = q.choice("bnb_4bit_compute_dtype", {"float32", "float16", "bfloat16"});
  return config;  // llm_int8_* and _load_in_*: settings of the other method, and copies of the two above
}

// Keys that say nothing about the computation: sizes of buffers, training, generation, versions.
constexpr const char* kIgnored[] = {"_attn_implementation_autoset",
                                    "_name_or_path",
                                    "architectures",
                                    "attention_dropout",
                                    "bos_token_id",
                                    "do_sample",
                                    "initializer_range",
                                    "is_llama_config",
                                    "max_window_layers",
                                    "pad_token_id",
                                    "pretraining_tp",
                                    "sliding_window",
                                    "transformers.js_config",
                                    "transformers_version",
                                    "use_cache"};

// Fields that would change what the model computes.
void refuse_unsupported(JsonFields& fields, const Json& json) {
  if (is_set(fields, json, "hidden_act") && fields.text("hidden_act") != "silu")
    fields.refuse("hidden_act", fmt::format("only \"silu\" is supported, found \"{}\"", fields.text("hidden_act")));
  if (is_set(fields, json, "rope_scaling"))
    fields.refuse("rope_scaling", fmt::format("is not supported, found {}", json["rope_scaling"].dump()));
  if (is_set(fields, json, "use_sliding_window") && json["use_sliding_window"] != false)
    fields.refuse("use_sliding_window", "sliding-window attention is not supported");
  for (const char* key : {"attention_bias", "mlp_bias", "rope_interleaved"})
    if (flag(fields, json, key)) fields.refuse(key, "only false is supported, found true");
  if (is_set(fields, json, "layer_types"))
    for (const Json& type : fields.any("layer_types"))
      if (type != "full_attention")
        fields.refuse("layer_types", fmt::format("only \"full_attention\" is supported, found {}", type.dump()));
}

// A field that nobody knows may only be there when it is off.
void refuse_unknown(JsonFields& fields, const Json& json) {
  for (const char* key : kIgnored)
    if (fields.has(key)) fields.any(key);
  for (const auto& [key, value] : json.items())
    if (!fields.used(key) && !value.is_null() && value != false && !(value.is_structured() && value.empty()))
      fields.refuse(key, fmt::format("is not known, found {}", value.dump()),
                    "It may change what the model computes. Remove it if it does not.");
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
  LanguageConfig config;
  config.architecture =  // first: fields of another kind of model would be refused under a name that says nothing
      fields.choice("model_type", {"qwen2", "llama"}) == "qwen2" ? Architecture::qwen2 : Architecture::llama;
  refuse_unsupported(fields, json);
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
  config.tie_word_embeddings = flag(fields, json, "tie_word_embeddings");
  if (is_set(fields, json, "max_position_embeddings"))
    config.max_position_embeddings = fields.whole("max_position_embeddings", 1, kMaxSize);
  else if (config.architecture == Architecture::llama)
    config.max_position_embeddings = 2048;
  config.eos_token_ids = read_eos(fields, json);
  for (const char* key : {"torch_dtype", "dtype"})
    if (is_set(fields, json, key)) config.dtype = fields.text(key);
  config.nf4 = read_quantization(fields, json);
  refuse_unknown(fields, json);
  return config;
}

LanguageConfig read_language_config(const std::filesystem::path& path) {
  return parse_language_config(read_file(path, kMaxConfigBytes, ErrorKind::model), path.string());
}

Json quantization_json(const Nf4Config& config) {
  return {{"quant_method", "bitsandbytes"},
          {"load_in_4bit", true},
          {"load_in_8bit", false},
          {"bnb_4bit_quant_type", "nf4"},
          {"bnb_4bit_use_double_quant", config.double_quant},
          {"bnb_4bit_compute_dtype", config.compute_dtype},
          {"bnb_4bit_quant_storage", "uint8"}};
}

void write_language_config(const std::filesystem::path& path, const LanguageConfig& config) {
  OrderedJson json;
  const bool qwen2 = config.architecture == Architecture::qwen2;
  json["architectures"] = {qwen2 ? "Qwen2ForCausalLM" : "LlamaForCausalLM"};
  json["model_type"] = qwen2 ? "qwen2" : "llama";
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
  if (qwen2) json["use_sliding_window"] = false;
  if (config.eos_token_ids.size() == 1) json["eos_token_id"] = config.eos_token_ids.front();
  if (config.eos_token_ids.size() > 1) json["eos_token_id"] = config.eos_token_ids;
  json["torch_dtype"] = config.dtype;
  if (config.nf4) json["quantization_config"] = quantization_json(*config.nf4);
  const std::string text = json.dump(2) + "\n";
  parse_language_config(text, path.string() + " (to be written)");
  write_file_durable(path, text);
}

}  // namespace cp
