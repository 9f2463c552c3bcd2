#pragma once
// In:  names.
// Out: small Hugging Face folders as a user has them: a language model (305 ids, width 32), a CLIP (64 px, 2 x 2
//      patches), a LoRA adapter of that language model.
// Not here: the tests.

#include "formats/peft_adapter.h"
#include "random_clip.h"
#include "random_nano.h"
#include "text/smollm2_template.h"

namespace cp::test {

inline std::string slurp(const std::filesystem::path& path) { return read_file(path, 1 << 26, ErrorKind::model); }

inline void write_small_weights(const std::filesystem::path& folder, const Meddle& meddle = {},
                                DType dtype = DType::f32) {
  std::vector<TensorToWrite> tensors = random_weights(language_shapes(), 0);
  for (TensorToWrite& tensor : tensors) {
    tensor.dtype = dtype;
    if (meddle) meddle(tensor);
  }
  write_safetensors(folder / "model.safetensors", tensors);
}

// With SmolLM2's chat template, or the one given; none: no tokenizer_config.json.
inline std::filesystem::path make_small_language(const std::string& name, const std::string& chat = kSmolTemplate,
                                                 DType dtype = DType::f32) {
  const std::filesystem::path folder = fresh_folder(name);
  LanguageConfig config = random_language_config();
  config.max_position_embeddings = 512;
  write_language_config(folder / "config.json", config);
  write_small_weights(folder, {}, dtype);
  write_file_durable(folder / "tokenizer.json", slurp(golden("runtime/tokenizer.json")));
  if (!chat.empty())
    write_file_durable(folder / "tokenizer_config.json", Json{{"chat_template", chat}, {"eos_token", "x"}}.dump());
  return folder;
}

inline std::filesystem::path make_small_clip(const std::string& name) {
  const Json& model = clip_golden()["b32"];
  const std::filesystem::path folder = write_clip(name, model["config"], clip_weights(model));
  const Json processor = {{"image_processor_type", "CLIPImageProcessor"},
                          {"size", {{"shortest_edge", 64}}},
                          {"crop_size", {{"height", 64}, {"width", 64}}}};
  write_file_durable(folder / "preprocessor_config.json", processor.dump());
  return folder;
}

// Rank 2 on q and v of every layer, large enough to be seen.
inline std::filesystem::path make_small_adapter(const std::string& name,
                                                const LanguageConfig& base = random_language_config()) {
  const std::filesystem::path folder = fresh_folder(name);
  LoraConfig config;
  config.r = 2;
  config.alpha = 4;
  std::map<std::string, LoraModule> modules;
  for (const LinearShape& linear : lora_targets(language_linears(base), config)) {
    Rng rng(5, Stream::test, 0, modules.size());
    const auto draw = [&](std::int64_t size) {
      std::vector<float> values(static_cast<std::size_t>(size));
      for (float& v : values) v = 0.2f * static_cast<float>(rng.normal());
      return values;
    };
    LoraModule& module = modules[linear.name];
    module = {draw(2 * linear.in), draw(2 * linear.out), 2, lora_scale(config, linear.name)};
  }
  write_adapter(folder, config, modules);
  return folder;
}

}  // namespace cp::test
