#include "learn/nano_model.h"

#include <fmt/format.h>

#include "core/file.h"
#include "runtime/model_parts.h"
#include "text/template.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxPart = std::uint64_t{1} << 30;
constexpr int kMaxPositions = 256;

ModelManifest make_manifest(const TrainConfig& config, std::vector<std::string> concepts) {
  ModelManifest m;
  m.name = config.name;
  m.fusion.concepts = std::move(concepts);
  m.default_instruction["en"] = instruction_templates("en").front();
  m.no_change_caption["en"] = "the scene is the same as before";
  m.no_change_caption["zh"] = "场景和之前一样。";
  m.decoding.beams = 3;
  m.decoding.length_penalty = 0.7;
  m.decoding.max_new_tokens = 40;
  note_head(config.head, m);
  m.head.thought = m.head.kind == "token" && config.caption.actions == "thought";
  m.training = Json{{"seed", config.seed}, {"view_seed", config.view_seed}};
  return m;
}

LanguageConfig make_language(const TrainConfig& config, const BpeTokenizer& tokenizer) {
  LanguageConfig c;
  c.hidden_size = config.language.hidden_size;
  c.num_hidden_layers = config.language.layers;
  c.num_attention_heads = config.language.heads;
  c.num_key_value_heads = config.language.kv_heads;
  c.intermediate_size = config.language.intermediate_size;
  c.vocab_size = tokenizer.size();
  c.head_dim = c.hidden_size / c.num_attention_heads;
  c.tie_word_embeddings = true;
  c.max_position_embeddings = kMaxPositions;
  c.eos_token_ids = {tokenizer.control_id("<|im_end|>")};
  c.dtype = "float16";
  return c;
}

void write_json(const fs::path& path, const OrderedJson& json) { write_file_durable(path, json.dump(2) + "\n"); }

}  // namespace

NanoModel::NanoModel(ModelManifest m, std::string tokenizer_text, const LanguageConfig& config, std::uint64_t seed,
                     double dropout)
    : tokenizer_json(std::move(tokenizer_text)),
      tokenizer(BpeTokenizer::parse(tokenizer_json, "tokenizer.json")),
      fusion(seed),
      projector(seed, config.hidden_size, static_cast<int>(m.fusion.concepts.size())),
      language(config, seed, dropout),
      head(seed, head_shape(m, config.hidden_size)),
      average(seed, head.shape()) {
  manifest = std::move(m);
}

NanoModel::NanoModel(const TrainConfig& config, std::string tokenizer_text, std::vector<std::string> concepts)
    : NanoModel(make_manifest(config, std::move(concepts)), tokenizer_text,
                make_language(config, BpeTokenizer::parse(tokenizer_text, "tokenizer.json")), config.seed,
                config.caption.dropout) {
  vision_folder = config.vision;
}

NanoModel NanoModel::load(const fs::path& folder) {
  ModelManifest m = read_manifest(folder);
  const fs::path language_folder = part_path(folder, m.language.path);
  NanoModel model(std::move(m), read_file(language_folder / "tokenizer.json", kMaxPart, ErrorKind::model),
                  read_language_config(language_folder / "config.json"), 0, 0.0);
  model.load_weights(folder, true);
  model.vision_folder = part_path(folder, model.manifest.vision.path);
  return model;
}

void NanoModel::load_weights(const fs::path& folder, bool with_head) {
  const ModelManifest m = read_manifest(folder);
  load_checked(SafeTensors::open(part_path(folder, m.fusion.file)), {{&fusion.params, ""}, {&projector.params, ""}});
  load_checked(SafeTensors::open(part_path(folder, m.language.path)), {{&language.params, ""}});
  if (!with_head) return;
  load_checked(SafeTensors::open(part_path(folder, m.head.file)), {{&head.params, ""}});
  average.params.copy_from(head.params);
}

std::vector<std::pair<ParamSet*, std::string>> NanoModel::weights() {
  return {{&fusion.params, ""},
          {&projector.params, ""},
          {&language.params, ""},
          {&head.params, "head."},
          {&average.params, "average."}};
}

void NanoModel::save(const fs::path& folder) const {
  ModelManifest m = manifest;
  for (const char* name : {"config.json", "preprocessor_config.json", "model.safetensors"})
    write_file_durable(folder / m.vision.path / name, read_file(vision_folder / name, kMaxPart, ErrorKind::model));

  const fs::path lm = folder / m.language.path;
  const int end = tokenizer.control_id("<|im_end|>"), pad = tokenizer.control_id("<|endoftext|>");
  write_file_durable(lm / "tokenizer.json", tokenizer_json);
  write_json(lm / "tokenizer_config.json", {{"tokenizer_class", "Qwen2Tokenizer"},
                                            {"eos_token", "<|im_end|>"},
                                            {"pad_token", "<|endoftext|>"},
                                            {"add_prefix_space", false},
                                            {"clean_up_tokenization_spaces", false},
                                            {"model_max_length", kMaxPositions}});
  write_json(lm / "generation_config.json", {{"eos_token_id", end},
                                             {"pad_token_id", pad},
                                             {"num_beams", m.decoding.beams},
                                             {"length_penalty", m.decoding.length_penalty},
                                             {"early_stopping", true}});
  write_language_config(lm / "config.json", language.config());

  std::vector<TensorToWrite> tensors;
  language.params.append_to(tensors, DType::f16);
  write_safetensors(lm / "model.safetensors", tensors, {{"format", "pt"}});
  tensors.clear();
  fusion.params.append_to(tensors, DType::f16);
  projector.params.append_to(tensors, DType::f16);
  write_safetensors(folder / m.fusion.file, tensors, {{"format", "pt"}});
  tensors.clear();
  average.params.append_to(tensors, DType::f16);
  write_safetensors(folder / m.head.file, tensors, {{"format", "pt"}});
  fill_hashes(folder, m);
  write_manifest(folder, m);
}

}  // namespace cp
