// `changepilot model info`: what a folder holds, by whatever it is.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "cli/model.h"
#include "cli/parse.h"
#include "core/file.h"
#include "formats/clip_config.h"
#include "formats/language_weights.h"
#include "formats/model_folder.h"
#include "formats/peft_adapter.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

// Tensors, bytes and dtypes of a file or folder of weights.
OrderedJson weights_json(const fs::path& path) {
  const SafeTensors file = SafeTensors::open(path);
  std::uint64_t bytes = 0;
  std::map<std::string, int> dtypes;
  for (const auto& [name, view] : file.tensors()) {
    bytes += view.bytes.size();
    ++dtypes[dtype_name(view.dtype)];
  }
  return {{"tensors", file.tensors().size()}, {"bytes", bytes}, {"dtypes", dtypes}};
}

OrderedJson language_json(const fs::path& folder) {
  const LanguageConfig c = read_language_config(folder / "config.json");
  const SafeTensors file = SafeTensors::open(folder);
  check_language_weights(c, file);
  std::int64_t parameters = std::int64_t{c.vocab_size} * c.hidden_size * (c.tie_word_embeddings ? 1 : 2);
  for (const LinearShape& linear : language_linears(c)) parameters += linear.out * linear.in;
  for (const auto& [name, view] : file.tensors())
    if (name.ends_with(".bias") || name.ends_with("norm.weight")) parameters += view.size();
  const Storage embedding = storage_of(file, "model.embed_tokens");
  OrderedJson json = {{"folder", folder.string()},
                      {"architecture", c.architecture == Architecture::qwen2 ? "qwen2" : "llama"},
                      {"parameters", parameters},
                      {"hidden_size", c.hidden_size},
                      {"layers", c.num_hidden_layers},
                      {"heads", {c.num_attention_heads, c.num_key_value_heads}},
                      {"vocab_size", c.vocab_size},
                      {"tied", c.tie_word_embeddings},
                      {"linear_layers", c.nf4 ? (c.nf4->double_quant ? "nf4, double quantised" : "nf4") : "dense"},
                      {"embedding", embedding == Storage::int8 ? "int8" : "dense"}};
  json.update(weights_json(folder));
  return json;
}

OrderedJson vision_json(const fs::path& folder, const std::string& kind) {
  OrderedJson json = {{"folder", folder.string()}, {"kind", kind}};
  if (kind == "clip_vit") {
    const ClipConfig c = read_clip_config(folder / "config.json");
    json["image_size"] = c.image_size;
    json["patches"] = {c.grid(), c.grid()};
    json["layers"] = c.num_hidden_layers;
    json["hidden_size"] = c.hidden_size;
    json["projection_dim"] = c.projection_dim;
  }
  json.update(weights_json(folder));
  return json;
}

OrderedJson adapter_json(const fs::path& folder) {
  const LoraConfig c = parse_lora_config(read_file(folder / "adapter_config.json", 1 << 20, ErrorKind::model),
                                         (folder / "adapter_config.json").string());
  OrderedJson json = {{"folder", folder.string()}, {"r", c.r},
                      {"alpha", c.alpha},          {"dropout", c.dropout},
                      {"rslora", c.use_rslora},    {"targets", c.target_modules}};
  json.update(weights_json(folder / "adapter_model.safetensors"));
  return json;
}

OrderedJson model_json(const fs::path& folder) {
  const ModelManifest m = read_manifest(folder);
  OrderedJson json = {{"name", m.name}};
  json["vision"] = vision_json(part_path(folder, m.vision.path), m.vision.kind);
  json["language"] = language_json(part_path(folder, m.language.path));
  if (!m.language.adapter.empty()) json["adapter"] = adapter_json(part_path(folder, m.language.adapter));
  json["fusion"] = {{"kind", m.fusion.kind}, {"grid", m.fusion.grid}, {"width", m.fusion.width}};
  json["fusion"].update(weights_json(part_path(folder, m.fusion.file)));
  json["head"] = {{"kind", m.head.kind},       {"condition", m.head.condition}, {"schedule", m.head.schedule},
                  {"sampler", m.head.sampler}, {"steps", m.head.steps},         {"samples", m.head.samples}};
  json["head"].update(weights_json(part_path(folder, m.head.file)));
  json["template"] = m.template_name;
  json["training"] = m.training;
  return json;
}

OrderedJson info_json(const fs::path& folder) {
  if (fs::exists(folder / kManifestFile)) return model_json(folder);
  if (fs::exists(folder / "adapter_config.json")) return {{"adapter", adapter_json(folder)}};
  const fs::path config = folder / "config.json";
  const std::string type =
      json_string(read_json(config, ErrorKind::model), "model_type", config.string(), ErrorKind::model);
  if (type.starts_with("clip")) return {{"vision", vision_json(folder, "clip_vit")}};
  if (type == "efficientnet_lite") return {{"vision", vision_json(folder, type)}};
  return {{"language", language_json(folder)}};
}

void print_text(const OrderedJson& json, int indent) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      fmt::print("{:{}}{}\n", "", indent, key);
      print_text(value, indent + 2);
    } else {
      fmt::print("{:{}}{:<{}} {}\n", "", indent, key, std::max(1, 18 - indent),
                 value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

}  // namespace

int run_model_info(const std::vector<std::string>& args) {
  CommandLine line("model info", "Says what a model, language, vision or adapter folder holds.");
  std::string folder;
  bool json = false;
  line.positional("dir", folder, "the folder");
  line.flag("json", json, "print JSON");
  if (!line.parse(args)) return 0;
  const OrderedJson info = info_json(folder);
  if (json)
    fmt::print("{}\n", info.dump(2));
  else
    print_text(info, 0);
  return 0;
}

}  // namespace cp
