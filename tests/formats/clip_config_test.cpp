#include "formats/clip_config.h"

#include "core/json.h"
#include "support/test_support.h"

namespace cp {
namespace {

ClipConfig parse(const Json& json) { return parse_clip_config(json.dump(), "config.json"); }

Json flat() {
  return {{"model_type", "clip_vision_model"},
          {"hidden_size", 768},
          {"num_attention_heads", 12},
          {"image_size", 224},
          {"patch_size", 32},
          {"projection_dim", 512},
          {"hidden_act", "quick_gelu"},
          {"layer_norm_eps", 1e-5},
          {"num_channels", 3},
          {"attention_dropout", 0.1},
          {"quantization_config", nullptr},
          {"pruned_heads", Json::object()}};
}

Json as_json(const ClipConfig& c) {
  return {{"hidden_size", c.hidden_size},
          {"intermediate_size", c.intermediate_size},
          {"projection_dim", c.projection_dim},
          {"num_hidden_layers", c.num_hidden_layers},
          {"num_attention_heads", c.num_attention_heads},
          {"image_size", c.image_size},
          {"patch_size", c.patch_size},
          {"layer_norm_eps", c.layer_norm_eps},
          {"hidden_act", c.quick_gelu ? "quick_gelu" : "gelu"}};
}

TEST(ClipConfig, IsWhatTransformersMakesOfTheSameFile) {
  const Json all = read_json(test::golden("formats/clip_configs.json"), ErrorKind::data);
  for (const Json& entry : all) EXPECT_EQ(as_json(parse(entry["config"])), entry["want"]) << entry["name"];
  EXPECT_EQ(all.size(), 8u);
}

TEST(ClipConfig, TheTwinWithoutVisionConfigDictIsSeen) {
  const Json all = read_json(test::golden("formats/clip_configs.json"), ErrorKind::data);
  int visited = 0;
  for (const Json& entry : all) {
    if (entry["name"] != "vision_config_dict wins, absent keys too") continue;
    Json config = entry["config"];
    config.erase("vision_config_dict");
    EXPECT_NE(as_json(parse(config)), entry["want"]);
    ++visited;
  }
  EXPECT_EQ(visited, 1);
}

TEST(ClipConfig, TheProjectionsWidthStandsAtTheTopOrInside) {
  Json json = {{"model_type", "clip"}, {"vision_config", {{"projection_dim", 96}}}};
  EXPECT_EQ(parse(json).projection_dim, 96);
  json["projection_dim"] = 64;
  EXPECT_EQ(parse(json).projection_dim, 64);
  json["projection_dim"] = nullptr;
  EXPECT_EQ(parse(json).projection_dim, 96);
}

TEST(ClipConfig, CountsPatchesAsAConvolutionDoes) {
  Json json = flat();
  EXPECT_EQ(parse(json).tokens(), 50);
  json["patch_size"] = 16;
  EXPECT_EQ(parse(json).tokens(), 197);
  json["patch_size"] = 14;
  EXPECT_EQ(parse(json).tokens(), 257);
  json["image_size"] = 336;
  EXPECT_EQ(parse(json).tokens(), 577);
  json["image_size"] = 349;  // 13 px are left over
  EXPECT_EQ(parse(json).tokens(), 577);
  EXPECT_EQ(parse(json).head_dim(), 64);
}

struct Kind {
  const char* key;
  Json value;  // discarded: the key is removed
  const char* message;
};

TEST(ClipConfig, WhatWouldComputeSomethingElseIsRefusedByName) {
  const std::vector<Kind> kinds = {
      {"model_type", "siglip_vision_model", "siglip_vision_model"},
      {"model_type", "siglip", "siglip"},
      {"model_type", "chinese_clip", "chinese_clip"},
      {"model_type", "clip_text_model", "clip_text_model"},
      {"model_type", Json::value_t::discarded, "is missing"},
      {"model_type", 3, "model_type"},
      {"hidden_act", "gelu_new", "gelu_new"},
      {"hidden_act", nullptr, "hidden_act"},
      {"num_channels", 4, "num_channels"},
      {"num_channels", 1, "num_channels"},
      {"quantization_config", {{"quant_method", "bitsandbytes"}}, "bitsandbytes"},
      {"pruned_heads", {{"0", {1}}}, "pruned_heads"},
      {"hidden_size", 0, "found 0"},
      {"hidden_size", -768, "found -768"},
      {"hidden_size", 768.5, "whole number"},
      {"hidden_size", "768", "whole number"},
      {"hidden_size", nullptr, "hidden_size"},
      {"hidden_size", 770, "num_attention_heads"},
      {"intermediate_size", UINT64_MAX, "intermediate_size"},
      {"num_hidden_layers", 100000, "100000"},
      {"num_attention_heads", 0, "found 0"},
      {"image_size", {224, 224}, "image_size"},
      {"image_size", 31, "patch_size"},
      {"patch_size", 225, "image_size"},
      {"patch_size", 3, "64 x 64"},
      {"layer_norm_eps", "1e-5", "layer_norm_eps"},
      {"layer_norm_eps", -1, "layer_norm_eps"},
      {"projection_dim", 0, "projection_dim"},
  };
  EXPECT_EQ(kinds.size(), 28u);
  for (const Kind& kind : kinds) {
    Json json = flat();
    if (kind.value.is_discarded())
      json.erase(kind.key);
    else
      json[kind.key] = kind.value;
    EXPECT_TRUE(test::throws_user_error([&] { parse(json); }, ErrorKind::model, {"config.json", kind.message}))
        << kind.key << " " << kind.message;
    if (std::string_view(kind.key) == "model_type" && !kind.value.is_string()) continue;
    // The same, nested.
    const Json nested = {{"model_type", "clip"}, {"vision_config", json}};
    EXPECT_TRUE(test::throws_user_error([&] { parse(nested); }, ErrorKind::model, {"vision_config", kind.message}))
        << kind.key << " " << kind.message;
  }
  for (const char* key : {"vision_config", "vision_config_dict", "projection_dim"})
    EXPECT_TRUE(test::throws_user_error(
        [&] {
          parse({{"model_type", "clip"}, {key, "big"}});
        },
        ErrorKind::model, {key}));
  EXPECT_TRUE(test::throws_user_error(
      [&] {
        parse({{"model_type", "clip"}, {"quantization_config", {{"bits", 4}}}});
      },
      ErrorKind::model, {"quantization_config"}));
  EXPECT_TRUE(test::throws_user_error([&] { parse(Json::array()); }, ErrorKind::model, {"wanted an object"}));
}

TEST(ClipConfig, TensorsAreThoseOfTransformers) {
  const Json all = read_json(test::golden("runtime/clip.json"), ErrorKind::data);
  int visited = 0;
  for (const auto& [name, model] : all.items()) {
    std::vector<TensorToWrite> tensors;
    for (const Json& entry : model["tensors"]) {
      TensorToWrite tensor{entry[0], entry[1], {}, DType::f16};
      std::int64_t size = 1;
      for (const std::int64_t extent : tensor.shape) size *= extent;
      tensor.values.resize(static_cast<std::size_t>(size));
      tensors.push_back(std::move(tensor));
    }
    const TensorExpectation expected = clip_tensors(parse(model["config"]));
    expected.check(SafeTensors::parse(encode_safetensors(tensors), name));
    std::erase_if(tensors, [](const TensorToWrite& t) { return t.name == "visual_projection.weight"; });
    EXPECT_TRUE(test::throws_user_error([&] { expected.check(SafeTensors::parse(encode_safetensors(tensors), name)); },
                                        ErrorKind::model, {"missing: visual_projection.weight"}))
        << name;
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

}  // namespace
}  // namespace cp
