#include "learn/published_model.h"

#include "formats/peft_adapter.h"
#include "kernels/cpu.h"
#include "runtime/assemble.h"
#include "runtime/model_parts.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdapter = "adapter";

LanguageNet load_base(const fs::path& folder) {
  return LanguageNet::load_frozen(read_language_config(folder / "config.json"), SafeTensors::open(folder));
}

PairFusion::Shape fusion_shape(const ModelManifest& m, const fs::path& vision_folder, int hidden) {
  return pair_fusion_shape(m, read_vision_shape(vision_folder, m.vision.kind), hidden);
}

LoraConfig lora_config(const LoraOptions& options, const fs::path& base) {
  LoraConfig c;
  c.r = options.r;
  c.alpha = options.alpha;
  c.dropout = options.dropout;
  c.target_modules = options.target_modules;
  c.base_model_name_or_path = base.string();
  return c;
}

ModelManifest checked(const fs::path& folder) {
  ModelManifest m = read_manifest(folder);
  check_supported(m, (folder / kManifestFile).string());
  return m;
}

}  // namespace

PublishedModel::PublishedModel(const fs::path& folder, const PublishedConfig& config)
    : PublishedModel(checked(folder), folder, config) {}

PublishedModel::PublishedModel(ModelManifest m, const fs::path& folder, const PublishedConfig& config)
    : config_(config),
      vision_folder_(part_path(folder, m.vision.path)),
      language_folder_(part_path(folder, m.language.path)),
      language(load_base(language_folder_)),
      fusion(fusion_shape(m, vision_folder_, language.config().hidden_size), config.seed, 1),
      head(config.seed, head_shape(m, language.config().hidden_size)),
      average(config.seed, head.shape()) {
  manifest = std::move(m);
  load_checked(SafeTensors::open(part_path(folder, manifest.fusion.file)), {{&fusion.params, ""}});
  load_checked(SafeTensors::open(part_path(folder, manifest.head.file)), {{&head.params, ""}});
  average.params.copy_from(head.params);
  language.lora.emplace(lora_config(config.lora, language_folder_), language_linears(language.config()), config.seed);
  language.checkpoint_layers = config.checkpoint_layers;
  note_head(config.head, manifest);
  manifest.training = Json{{"seed", config.seed}, {"view_seed", config.view_seed}, {"strategy", config.strategy}};
}

std::vector<std::pair<ParamSet*, std::string>> PublishedModel::weights() {
  return {{&fusion.params, ""}, {&language.lora->params, ""}, {&head.params, "head."}, {&average.params, "average."}};
}

void PublishedModel::to(at::Device device) {
  language.to(device);
  for (ParamSet* set : {&fusion.params, &head.params, &average.params}) set->to(device);
  language.compute = compute_dtype(config_.compute, device);
}

at::ScalarType compute_dtype(const std::string& name, at::Device device) {
  if (name == "float32") return at::kFloat;
  if (name == "float16") return at::kHalf;
  if (name == "bfloat16") return at::kBFloat16;
  return device.is_cuda() || bf16_products_are_fast() ? at::kBFloat16 : at::kFloat;
}

void PublishedModel::save(const fs::path& folder) const {
  ModelManifest m = manifest;
  const bool reference = config_.parts == "reference";
  m.vision.path = place_part(reference, vision_folder_, folder, "vision");
  m.language.path = place_part(reference, language_folder_, folder, "language");
  m.language.adapter = kAdapter;
  write_adapter(folder / kAdapter, language.lora->config(), language.lora->modules());
  const auto write = [&](const std::string& file, const ParamSet& params) {
    std::vector<TensorToWrite> tensors;
    params.append_to(tensors, DType::f32);
    write_safetensors(folder / file, tensors, {{"format", "pt"}});
  };
  write(m.fusion.file, fusion.params);
  write(m.head.file, average.params);
  fill_hashes(folder, m);
  write_manifest(folder, m);
}

}  // namespace cp
