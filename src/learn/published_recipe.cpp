#include "learn/published_recipe.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "core/file.h"
#include "formats/language_weights.h"
#include "formats/quantize_folder.h"
#include "learn/device.h"
#include "learn/memory_plan.h"
#include "runtime/assemble.h"
#include "runtime/model_parts.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

void want(bool ok, const char* name, const std::string& wanted) {
  if (!ok) throw UserError(ErrorKind::usage, name, fmt::format("wanted {}.", wanted), "");
}

// The configuration's words and numbers, before anything is read.
void check_config(const PublishedConfig& config) {
  want(!config.language.empty(), "language", "the folder of a language model");
  want_choice("quantize", config.quantize, {"nf4", "none"});
  want_choice("strategy", config.strategy, {"phases", "joint"});
  want_choice("parts", config.parts, {"reference", "copy"});
  want_choice("fusion.kind", config.fusion.kind, {"concat", "subtract", "patch"});
  want_choice("head.condition", config.head.condition, {"last_token", "visual_attention"});
  want(config.lora.r >= 1 && config.lora.r <= 256, "lora.r", "1 to 256");
  want(config.lora.alpha > 0, "lora.alpha", "a number above 0");
  want(config.lora.dropout >= 0 && config.lora.dropout < 1, "lora.dropout", "a number from 0 to below 1");
  want(config.caption.captions_per_pair >= 1, "caption.captions_per_pair", "1 or more");
  want(config.views >= 1, "views", "1 or more");
  want_choice("compute", config.compute, {"auto", "float32", "bfloat16", "float16"});
}

// The folder with fusion and head at their start values; made once a run, then read again by a continued one.
fs::path start_folder(const PublishedConfig& config) {
  const fs::path folder = fs::path(config.out) / "start";
  std::error_code ignored;
  if (fs::exists(folder, ignored)) return folder;
  AssembleOptions o;
  o.vision = config.vision;
  o.language = frozen_language(config).string();
  o.fusion = config.fusion.kind;
  o.width = config.fusion.width;
  o.condition = config.head.condition;
  o.template_name = config.template_name;
  o.name = config.name;
  o.seed = config.seed;
  o.reference = true;
  assemble_model(o, folder);
  return folder;
}

}  // namespace

fs::path frozen_language(const PublishedConfig& config) {
  const fs::path folder = config.language;
  if (config.quantize == "none") return folder;
  const SafeTensors file = SafeTensors::open(folder);
  if (storage_of(file, "model.layers.0.self_attn.q_proj") != Storage::dense) return folder;
  std::string text = "nf4-1 ";
  std::vector<fs::path> parts;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) parts.push_back(entry.path());
  std::sort(parts.begin(), parts.end());
  for (const fs::path& part : parts) text += part.filename().string() + " " + sha256_hex_file(part) + "\n";
  const fs::path made = fs::path(config.cache) / ("language-" + sha256_hex(text).substr(0, 32));
  std::error_code ignored;
  if (!fs::exists(made, ignored)) {
    std::fprintf(stderr, "quantising %s to NF4 in %s\n", folder.c_str(), made.c_str());
    fs::create_directories(config.cache, ignored);
    quantize_language_folder(folder, made, {});
  }
  return made;
}

PublishedData read_published_data(const PublishedConfig& config) {
  const VisionShape vision = read_vision_shape(config.vision, vision_kind(config.vision));
  const int visual = pair_fusion_shape(config.fusion.kind, config.fusion.width, vision, 0).rows();
  const PublishedText text(config.language, config.template_name, visual);
  return load_published_data(config, text);
}

PublishedRecipe::PublishedRecipe(const PublishedConfig& config) : config_(config), device_(at::kCPU) {
  check_config(config);
  device_ = parse_device(config.device);
  if (!config.memory_limit.empty()) limit_ = parse_bytes(config.memory_limit, "memory_limit");
}

std::vector<std::string> PublishedRecipe::stages() const {
  return config_.strategy == "joint" ? std::vector<std::string>{"joint"} : std::vector<std::string>{"caption", "head"};
}

void PublishedRecipe::prepare(const fs::path&) {
  data_ = read_published_data(config_);
  if (limit_ > 0) MemoryPlanner(config_, data_).refuse_what_will_not_fit(stages(), limit_);
  open_published_features(config_, data_);  // first: its weights are gone before the language model's come
  model_.emplace(start_folder(config_), config_);
  model_->to(device_);
}

std::unique_ptr<Stage> PublishedRecipe::make_stage(const std::string& name) {
  if (name != "head") return std::make_unique<AnswerStage>(config_, data_, *model_, name == "joint");
  const Prompt& prompt = data_.prompts.front();
  HiddenBatch train = published_hidden(*model_, data_.train, data_.train_features, prompt);
  HiddenBatch val = published_hidden(*model_, data_.val, data_.val_features, prompt);
  return std::make_unique<HeadStage>(config_.head, config_.seed, data_.train, data_.val, std::move(train),
                                     std::move(val), model_->head, model_->average);
}

}  // namespace cp
