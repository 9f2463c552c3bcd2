#pragma once
// In:  a seed.
// Out: the small random model folder and the random pairs of tests/oracle/nano_random.py, number for number, so that
//      golden values need no committed weights (only the vision encoder of models/nano is real).
// Not here: the tests.

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/rng.h"
#include "formats/model_folder.h"
#include "formats/language_config.h"
#include "formats/safetensors.h"
#include "image/image.h"
#include "support/test_support.h"

namespace cp::test {

inline constexpr int kHidden = 32, kLayers = 2, kHeads = 4, kKvHeads = 2, kIntermediate = 48, kConcepts = 5;
inline constexpr int kUnusedIds = 3;       // rows of the embedding past the tokenizer's ids
inline constexpr int kTokenizerIds = 302;  // of tests/golden/runtime/tokenizer.json
inline constexpr std::uint64_t kModelSeed = 7;

using Shapes = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

inline void add_layer(Shapes& shapes, const std::string& name, std::vector<std::int64_t> shape) {
  const std::int64_t out = shape[0];
  shapes.emplace_back(name + ".weight", std::move(shape));
  shapes.emplace_back(name + ".bias", std::vector<std::int64_t>{out});
}

inline Shapes fusion_shapes() {
  Shapes s;
  const auto channels = [](int stride) { return stride == 32 ? 320 : stride == 16 ? 112 : 40; };
  for (const std::string part : {"fusion", "projector"})
    for (const int stride : {32, 16, 8}) {
      if (part == "projector" && stride == 8) continue;
      const std::string name = std::to_string(stride);
      add_layer(s, part + ".in." + name, {64, channels(stride), 1, 1});
      add_layer(s, part + ".norm." + name, {64});
      if (part == "fusion") add_layer(s, "fusion.mix." + name, {64, 192, 1, 1});
    }
  add_layer(s, "fusion.conv1", {64, 64, 3, 3});
  add_layer(s, "fusion.conv2", {64, 64, 3, 3});
  add_layer(s, "change_map", {4, 64, 1, 1});
  add_layer(s, "change_flag.0", {64, 130});
  add_layer(s, "change_flag.2", {1, 64});
  add_layer(s, "projector.mix.0", {kHidden, 512});
  add_layer(s, "projector.mix.2", {kHidden, kHidden});
  add_layer(s, "projector.concept.0", {128, 2 * kHidden});
  add_layer(s, "projector.concept.2", {kConcepts, 128});
  add_layer(s, "projector.concept_in", {kHidden, kConcepts});
  s.push_back({"projector.position", {16, kHidden}});
  s.push_back({"projector.out_norm.weight", {kHidden}});
  s.push_back({"projector.scale", {}});
  s.push_back({"projector.flag.weight", {2, kHidden}});
  return s;
}

inline Shapes language_shapes() {
  constexpr int kv = kHidden / kHeads * kKvHeads;
  Shapes s{{"model.embed_tokens.weight", {kTokenizerIds + kUnusedIds, kHidden}}, {"model.norm.weight", {kHidden}}};
  for (int i = 0; i < kLayers; ++i) {
    const std::string p = "model.layers." + std::to_string(i) + ".";
    s.push_back({p + "input_layernorm.weight", {kHidden}});
    s.push_back({p + "post_attention_layernorm.weight", {kHidden}});
    add_layer(s, p + "self_attn.q_proj", {kHidden, kHidden});
    add_layer(s, p + "self_attn.k_proj", {kv, kHidden});
    add_layer(s, p + "self_attn.v_proj", {kv, kHidden});
    s.push_back({p + "self_attn.o_proj.weight", {kHidden, kHidden}});
    s.push_back({p + "mlp.gate_proj.weight", {kIntermediate, kHidden}});
    s.push_back({p + "mlp.up_proj.weight", {kIntermediate, kHidden}});
    s.push_back({p + "mlp.down_proj.weight", {kHidden, kIntermediate}});
  }
  return s;
}

inline Shapes head_shapes() {
  Shapes s{{"condition.query", {4, 64}}};
  add_layer(s, "condition.key", {64, kHidden});
  add_layer(s, "condition.value", {64, kHidden});
  add_layer(s, "condition.out", {256, 264 + kHidden});
  add_layer(s, "denoiser.0", {256, 387});
  add_layer(s, "denoiser.2", {512, 256});
  add_layer(s, "denoiser.4", {256, 512});
  add_layer(s, "denoiser.6", {3, 256});
  s.push_back({"condition.norm.weight", {256}});
  s.push_back({"condition.norm.bias", {256}});
  return s;
}

// Tensor i draws from sample first_sample + i.
inline std::vector<TensorToWrite> random_weights(const Shapes& shapes, std::uint64_t first_sample) {
  std::vector<TensorToWrite> out;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto& [name, shape] = shapes[i];
    Rng rng(kModelSeed, Stream::test, 0, first_sample + i);
    std::int64_t size = 1, fan_in = 1;
    for (std::size_t d = 0; d < shape.size(); ++d) {
      size *= shape[d];
      if (d > 0) fan_in *= shape[d];
    }
    const bool norm = name.find("norm") != std::string::npos && name.ends_with(".weight");
    const bool table = name == "model.embed_tokens.weight" || name == "projector.position" ||
                       name == "projector.flag.weight" || name == "condition.query";
    TensorToWrite tensor{name, shape, {}, DType::f16};
    for (std::int64_t k = 0; k < size; ++k) {
      double n = rng.normal();
      if (name == "projector.scale")
        n = 0.3;
      else if (name == "model.norm.weight")
        n = 2 + 0.2 * n;
      else if (norm)
        n = 1 + 0.1 * n;
      else if (name.ends_with(".bias"))
        n = 0.1 * n;
      else if (table)
        n = 0.25 * n;
      else
        n = (name.starts_with("model.") ? 2 : 1) * n / std::sqrt(static_cast<double>(fan_in));
      tensor.values.push_back(static_cast<float>(n));
    }
    out.push_back(std::move(tensor));
  }
  return out;
}

inline LanguageConfig random_language_config() {
  LanguageConfig c;
  c.hidden_size = kHidden;
  c.num_hidden_layers = kLayers;
  c.num_attention_heads = kHeads;
  c.num_key_value_heads = kKvHeads;
  c.head_dim = kHidden / kHeads;
  c.intermediate_size = kIntermediate;
  c.vocab_size = kTokenizerIds + kUnusedIds;
  c.tie_word_embeddings = true;
  c.max_position_embeddings = 256;
  return c;
}

inline ModelManifest random_manifest() {
  ModelManifest m;
  m.name = "random";
  m.vision.path = (source_dir() / "models/nano/vision").string();
  m.fusion.concepts = {"a", "b", "c", "d", "e"};
  m.default_instruction["en"] = "describe what changed";
  m.no_change_caption["en"] = "the scene is the same";
  m.no_change_caption["zh"] = "场景与之前相同";
  m.flag = {-100.0, 0.5, 2.0};
  m.decoding = {3, 0.7, 12};
  m.head.schedule = "linear";
  m.head.sampler = "dpmpp_2m";
  m.head.steps = 10;
  m.head.spacing = "quadratic";
  m.head.samples = 64;
  m.head.snap_sigma = 0.3;
  m.region.levels = {{0.5, 0.4}, {0.8, 0.7}, {0.9, 0.8}, {0.95, 0.9}};
  m.region.n = 100;
  return m;
}

// Changes to the weights before they are written: how a test plants a fault.
using Meddle = std::function<void(TensorToWrite&)>;

// Writes the folder; `manifest` and the language model's configuration may differ from the golden ones.
inline std::filesystem::path make_random_nano(const std::string& name, ModelManifest manifest = random_manifest(),
                                              const Meddle& meddle = {},
                                              const LanguageConfig& language = random_language_config()) {
  const std::filesystem::path folder = fresh_folder(name);
  const auto write = [&](const std::string& file, const Shapes& shapes, std::uint64_t first_sample) {
    std::vector<TensorToWrite> tensors = random_weights(shapes, first_sample);
    if (meddle)
      for (TensorToWrite& tensor : tensors) meddle(tensor);
    write_safetensors(folder / file, tensors);
  };
  write("language/model.safetensors", language_shapes(), 0);
  write("fusion.safetensors", fusion_shapes(), 1000);
  write("head.safetensors", head_shapes(), 2000);
  write_file_durable(folder / "language/tokenizer.json",
                     read_file(golden("runtime/tokenizer.json"), 1 << 20, ErrorKind::model));
  write_language_config(folder / "language/config.json", language);
  fill_hashes(folder, manifest);
  write_manifest(folder, manifest);
  return folder;
}

// Two (256 256 3) pictures of 16 x 16 px blocks; every fifth block differs.
inline std::pair<Image, Image> random_pair(int index) {
  Rng rng(1000 + static_cast<std::uint64_t>(index), Stream::test);
  std::vector<std::uint8_t> colours;  // (2 256 3)
  for (int i = 0; i < 512; ++i) {
    for (int c = 0; c < 3; ++c) colours.push_back(static_cast<std::uint8_t>(rng.bits() & 255));
    rng.bits();
  }
  Image before(256, 256, 3), after(256, 256, 3);
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x)
      for (int c = 0; c < 3; ++c) {
        const int block = y / 16 * 16 + x / 16;
        const auto colour = [&](int b) { return colours[static_cast<std::size_t>(b * 3 + c)]; };
        before.at(x, y)[c] = colour(block);
        after.at(x, y)[c] = colour(block % 5 == 0 ? 256 + block : block);
      }
  return {before, after};
}

// Every `step`-th value, as the golden file keeps long tensors.
inline std::vector<float> thinned(std::span<const float> x, std::size_t step) {
  std::vector<float> out;
  for (std::size_t i = 0; i < x.size(); i += step) out.push_back(x[i]);
  return out;
}

}  // namespace cp::test
