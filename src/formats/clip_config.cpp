#include "formats/clip_config.h"

#include <fmt/format.h>

#include "core/file.h"
#include "formats/json_fields.h"

namespace cp {
namespace {

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;
constexpr int kMaxWidth = 1 << 16;
constexpr int kMaxGrid = 64;  // attention needs memory for the square of the number of patches

bool is_set(const JsonFields& fields, const Json& json, const std::string& key) {
  return fields.has(key) && !json[key].is_null();
}

void want_model_type(JsonFields& fields, const std::string& wanted) {
  const std::string found = fields.text("model_type");
  if (found != wanted)
    fields.refuse("model_type", fmt::format("wanted \"{}\", found \"{}\"", wanted, found),
                  "Only CLIP vision transformers are supported: CLIPModel or CLIPVisionModelWithProjection.");
}

// Fields that would change what the vision side computes, wherever they stand.
void refuse_unsupported(JsonFields& fields, const Json& json) {
  for (const char* key : {"quantization_config", "pruned_heads"})
    if (is_set(fields, json, key) && !json[key].empty())
      fields.refuse(key, fmt::format("is not supported, found {}", json[key].dump()));
}

void read_vision(JsonFields& fields, const Json& json, ClipConfig& config) {
  refuse_unsupported(fields, json);
  const auto read = [&](const char* key, int& value, int high) {
    if (fields.has(key)) value = fields.whole(key, 1, high);
  };
  read("hidden_size", config.hidden_size, kMaxWidth);
  read("intermediate_size", config.intermediate_size, kMaxWidth);
  read("projection_dim", config.projection_dim, kMaxWidth);
  read("num_hidden_layers", config.num_hidden_layers, 1024);
  read("num_attention_heads", config.num_attention_heads, 1024);
  read("image_size", config.image_size, 4096);
  read("patch_size", config.patch_size, 4096);
  if (fields.has("layer_norm_eps")) config.layer_norm_eps = fields.number("layer_norm_eps", 0, 1);
  if (fields.has("hidden_act")) config.quick_gelu = fields.choice("hidden_act", {"quick_gelu", "gelu"}) == "quick_gelu";
  if (fields.has("num_channels") && fields.whole("num_channels", 1) != 3)
    fields.refuse("num_channels", fmt::format("wanted 3 (RGB), found {}", json["num_channels"].dump()));
  if (config.patch_size > config.image_size)
    fields.refuse("patch_size", fmt::format("{} is more than image_size {}", config.patch_size, config.image_size));
  if (config.grid() > kMaxGrid)
    fields.refuse("patch_size",
                  fmt::format("wanted at most {0} x {0} patches, found {1} x {1}", kMaxGrid, config.grid()));
  if (config.hidden_size % config.num_attention_heads != 0)
    fields.refuse("num_attention_heads", fmt::format("wanted a divisor of hidden_size {}, found {}", config.hidden_size,
                                                     config.num_attention_heads));
}

}  // namespace

ClipConfig parse_clip_config(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where, ErrorKind::model);
  JsonFields fields(json, where);
  ClipConfig config;
  if (fields.text("model_type") != "clip") {
    want_model_type(fields, "clip_vision_model");
    read_vision(fields, json, config);
    return config;
  }
  refuse_unsupported(fields, json);
  for (const char* key : {"vision_config_dict", "vision_config"}) {
    if (!is_set(fields, json, key)) continue;
    JsonFields vision = fields.object(key);
    if (vision.has("model_type")) want_model_type(vision, "clip_vision_model");
    read_vision(vision, json[key], config);
    break;
  }
  if (is_set(fields, json, "projection_dim")) config.projection_dim = fields.whole("projection_dim", 1, kMaxWidth);
  return config;  // other fields (text side, dropout, initialisation, versions) do not change the computation
}

ClipConfig read_clip_config(const std::filesystem::path& path) {
  return parse_clip_config(read_file(path, kMaxConfigBytes, ErrorKind::model), path.string());
}

TensorExpectation clip_tensors(const ClipConfig& c) {
  TensorExpectation expected;
  const auto layer = [&](const std::string& prefix, std::vector<std::int64_t> shape) {
    expected.want(prefix + ".bias", {shape.front()});
    expected.want(prefix + ".weight", std::move(shape));
  };
  const std::string model = "vision_model.";
  expected.want(model + "embeddings.class_embedding", {c.hidden_size});
  expected.want(model + "embeddings.patch_embedding.weight", {c.hidden_size, 3, c.patch_size, c.patch_size});
  expected.want(model + "embeddings.position_embedding.weight", {c.tokens(), c.hidden_size});
  layer(model + "pre_layrnorm", {c.hidden_size});  // the name in every checkpoint
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const std::string p = fmt::format("{}encoder.layers.{}.", model, i);
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"})
      layer(p + "self_attn." + name, {c.hidden_size, c.hidden_size});
    layer(p + "layer_norm1", {c.hidden_size});
    layer(p + "layer_norm2", {c.hidden_size});
    layer(p + "mlp.fc1", {c.intermediate_size, c.hidden_size});
    layer(p + "mlp.fc2", {c.hidden_size, c.intermediate_size});
  }
  layer(model + "post_layernorm", {c.hidden_size});
  expected.want("visual_projection.weight", {c.projection_dim, c.hidden_size});
  expected.skip(model + "embeddings.position_ids");
  expected.skip("text_model.");
  expected.skip("text_projection.weight");
  expected.skip("logit_scale");
  return expected;
}

}  // namespace cp
