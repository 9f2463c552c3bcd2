#include "formats/language_config.h"

#include "core/json.h"
#include "support/test_support.h"

namespace cp {
namespace {

// As transformers 4 writes it for Qwen2.5-0.5B.
Json old_spelling() {
  return {{"architectures", {"Qwen2ForCausalLM"}},
          {"attention_dropout", 0.0},
          {"bos_token_id", 151643},
          {"eos_token_id", 151643},
          {"hidden_act", "silu"},
          {"hidden_size", 896},
          {"initializer_range", 0.02},
          {"intermediate_size", 4864},
          {"max_position_embeddings", 32768},
          {"max_window_layers", 24},
          {"model_type", "qwen2"},
          {"num_attention_heads", 14},
          {"num_hidden_layers", 24},
          {"num_key_value_heads", 2},
          {"rms_norm_eps", 1e-06},
          {"rope_theta", 1000000.0},
          {"sliding_window", 32768},
          {"tie_word_embeddings", true},
          {"torch_dtype", "bfloat16"},
          {"use_cache", true},
          {"use_sliding_window", false},
          {"vocab_size", 151936}};
}

LanguageConfig parse(const Json& json) { return parse_language_config(json.dump(), "config.json"); }

TEST(LanguageConfig, OldSpellingIsRead) {
  const LanguageConfig config = parse(old_spelling());
  EXPECT_EQ(config.hidden_size, 896);
  EXPECT_EQ(config.num_attention_heads, 14);
  EXPECT_EQ(config.num_key_value_heads, 2);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.dtype, "bfloat16");
  EXPECT_EQ(config.eos_token_ids, std::vector<int>{151643});
}

TEST(LanguageConfig, NewSpellingGivesTheSame) {
  Json json = old_spelling();
  json.erase("rope_theta");
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 1e6}};
  EXPECT_EQ(parse(json).rope_theta, 1e6);
  json["rope_theta"] = 1e6;  // both, agreeing
  EXPECT_EQ(parse(json).rope_theta, 1e6);
  json["rope_theta"] = 1e4;
  EXPECT_TRUE(test::throws_user_error([&] { parse(json); }, ErrorKind::model, {"rope_theta", "10000"}));
}

TEST(LanguageConfig, AbsentKeysTakeTransformersDefaults) {
  Json json = old_spelling();
  for (const char* key : {"num_key_value_heads", "rope_theta", "rms_norm_eps", "tie_word_embeddings", "hidden_act",
                          "torch_dtype", "max_position_embeddings", "eos_token_id", "use_sliding_window"})
    json.erase(key);
  const LanguageConfig config = parse(json);
  EXPECT_EQ(config.num_key_value_heads, 14);
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_EQ(config.max_position_embeddings, 32768);
  EXPECT_TRUE(config.eos_token_ids.empty());
}

struct Kind {
  const char* key;
  Json value;  // discarded: the key is removed
  const char* message;
};

TEST(LanguageConfig, WhatWouldComputeSomethingElseIsRefusedByName) {
  const std::vector<Kind> kinds = {
      {"model_type", "mistral", "mistral"},
      {"attention_bias", true, "attention_bias"},
      {"mlp_bias", true, "mlp_bias"},
      {"rope_interleaved", true, "rope_interleaved"},
      {"attention_multiplier", 0.5, "attention_multiplier"},
      {"qk_norm", true, "qk_norm"},
      {"model_type", Json::value_t::discarded, "is missing"},
      {"hidden_act", "gelu", "gelu"},
      {"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}, "not supported"},
      {"rope_parameters", {{"rope_type", "yarn"}, {"rope_theta", 1e6}}, "yarn"},
      {"rope_parameters", {{"rope_type", "default"}, {"factor", 4.0}}, "factor"},
      {"use_sliding_window", true, "sliding-window"},
      {"layer_types", {"full_attention", "sliding_attention"}, "sliding_attention"},
      {"quantization_config", {{"quant_method", "gptq"}}, "gptq"},
      {"quantization_config", {{"quant_method", "bitsandbytes"}, {"load_in_8bit", true}}, "load_in_4bit"},
      {"quantization_config",
       {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "fp4"}},
       "fp4"},
      {"quantization_config",
       {{"quant_method", "bitsandbytes"},
        {"load_in_4bit", true},
        {"bnb_4bit_quant_type", "nf4"},
        {"bnb_4bit_quant_storage", "bfloat16"}},
       "bnb_4bit_quant_storage"},
      {"hidden_size", Json::value_t::discarded, "is missing"},
      {"hidden_size", 0, "found 0"},
      {"hidden_size", -896, "found -896"},
      {"hidden_size", 896.5, "whole number"},
      {"hidden_size", "896", "whole number"},
      {"hidden_size", 900, "num_attention_heads"},
      {"num_hidden_layers", 100000, "100000"},
      {"num_attention_heads", 0, "found 0"},
      {"num_key_value_heads", 3, "divisor"},
      {"num_key_value_heads", 28, "found 28"},
      {"intermediate_size", nullptr, "intermediate_size"},
      {"vocab_size", UINT64_MAX, "vocab_size"},
      {"head_dim", 63, "even"},
      {"rope_theta", 0, "rope_theta"},
      {"rms_norm_eps", "1e-6", "rms_norm_eps"},
      {"tie_word_embeddings", 1, "tie_word_embeddings"},
      {"eos_token_id", {1, "x"}, "eos_token_id"},
  };
  EXPECT_GE(kinds.size(), 25u);
  for (const Kind& kind : kinds) {
    Json json = old_spelling();
    if (kind.value.is_discarded())
      json.erase(kind.key);
    else
      json[kind.key] = kind.value;
    EXPECT_TRUE(test::throws_user_error([&] { parse(json); }, ErrorKind::model, {"config.json", kind.message}))
        << kind.key << " " << kind.message;
  }
}

TEST(LanguageConfig, LlamaHasItsOwnDefaultsAndNoBias) {
  Json json = old_spelling();
  json["model_type"] = "llama";
  json.erase("max_position_embeddings");
  const LanguageConfig config = parse(json);
  EXPECT_EQ(config.architecture, Architecture::llama);
  EXPECT_EQ(config.max_position_embeddings, 2048);
  EXPECT_FALSE(config.qkv_bias());
  EXPECT_TRUE(parse(old_spelling()).qkv_bias());
}

TEST(LanguageConfig, WhatIsSwitchedOffMayHaveAnyName) {
  Json json = old_spelling();
  json["some_new_feature"] = false;
  json["another"] = nullptr;
  json["lists"] = Json::array();
  json["objects"] = Json::object();
  EXPECT_EQ(parse(json).hidden_size, 896);
}

TEST(LanguageConfig, Nf4IsReadAsTransformersWritesIt) {
  Json json = old_spelling();
  json["quantization_config"] = {{"_load_in_4bit", true},
                                 {"_load_in_8bit", false},
                                 {"bnb_4bit_compute_dtype", "bfloat16"},
                                 {"bnb_4bit_quant_storage", "uint8"},
                                 {"bnb_4bit_quant_type", "nf4"},
                                 {"bnb_4bit_use_double_quant", true},
                                 {"llm_int8_enable_fp32_cpu_offload", false},
                                 {"llm_int8_has_fp16_weight", false},
                                 {"llm_int8_skip_modules", nullptr},
                                 {"llm_int8_threshold", 6.0},
                                 {"load_in_4bit", true},
                                 {"load_in_8bit", false},
                                 {"quant_method", "bitsandbytes"}};
  const LanguageConfig config = parse(json);
  ASSERT_TRUE(config.nf4);
  EXPECT_TRUE(config.nf4->double_quant);
  EXPECT_EQ(config.nf4->compute_dtype, "bfloat16");
  EXPECT_FALSE(parse(old_spelling()).nf4);
}

TEST(LanguageConfig, ComesBackAsItWas) {
  const auto path = test::fresh_folder("qwen2") / "config.json";
  LanguageConfig config = parse(old_spelling());
  config.eos_token_ids = {7, 9};
  config.rope_theta = 12345.5;
  config.head_dim = 32;
  config.nf4 = Nf4Config{false, "float16"};
  write_language_config(path, config);
  const LanguageConfig read = read_language_config(path);
  EXPECT_EQ(read.rope_theta, config.rope_theta);
  EXPECT_EQ(read.head_dim, 32);
  ASSERT_TRUE(read.nf4);
  EXPECT_FALSE(read.nf4->double_quant);
  EXPECT_EQ(read.nf4->compute_dtype, "float16");
  EXPECT_EQ(read.eos_token_ids, config.eos_token_ids);
  EXPECT_EQ(read.intermediate_size, config.intermediate_size);
  EXPECT_EQ(read.tie_word_embeddings, config.tie_word_embeddings);
  config.num_key_value_heads = 3;
  EXPECT_TRUE(
      test::throws_user_error([&] { write_language_config(path, config); }, ErrorKind::model, {"num_key_value_heads"}));
  EXPECT_EQ(read_language_config(path).num_key_value_heads, 2);
}

}  // namespace
}  // namespace cp
