#include "runtime/language_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "core/thread_pool.h"
#include "formats/language_tensors.h"
#include "formats/language_weights.h"

namespace cp {

LanguageModel LanguageModel::load(const std::filesystem::path& folder, Products products) {
  const LanguageConfig config = read_language_config(folder / "config.json");  // before gigabytes are read
  SafeTensors file = SafeTensors::open(folder);
  return load(config, file, &file, products);
}

LanguageModel LanguageModel::load(const LanguageConfig& c, const SafeTensors& file, Products products) {
  return load(c, file, nullptr, products);
}

// What has been read is released at once where the file is ours, so that the weights never stand in memory twice.
LanguageModel LanguageModel::load(const LanguageConfig& c, const SafeTensors& file, SafeTensors* release,
                                  Products products) {
  check_language_weights(c, file);
  LanguageModel m;
  WeightArena arena;
  const auto done = [&](const std::string& prefix) {
    if (release) release->release(prefix);
  };
  m.config_ = c;
  for (int i = 0; i < c.head_dim / 2; ++i)
    m.inverse_frequency_.push_back(static_cast<float>(std::pow(c.rope_theta, -2.0 * i / c.head_dim)));
  const std::vector<LinearShape> linears = language_linears(c);
  const auto table = [&](const std::string& name) {
    const bool quantized = c.nf4 || storage_of(file, name) == Storage::int8;
    Projection p = products == Products::fast && quantized
                       ? Projection::load_table(file, name, c.vocab_size, c.hidden_size, arena)
                       : Projection::load(file, name, c.vocab_size, c.hidden_size);
    done(name);
    return p;
  };
  m.embedding_ = table("model.embed_tokens");
  if (!c.tie_word_embeddings) m.head_ = table("lm_head");
  m.final_norm_ = load_floats(file, "model.norm.weight", {c.hidden_size});
  m.layers_.resize(static_cast<std::size_t>(c.num_hidden_layers));
  for (std::size_t i = 0; i < m.layers_.size(); ++i) {
    const std::string p = "model.layers." + std::to_string(i) + ".";
    Layer& layer = m.layers_[i];
    layer.attention_norm = load_floats(file, p + "input_layernorm.weight", {c.hidden_size});
    layer.mlp_norm = load_floats(file, p + "post_attention_layernorm.weight", {c.hidden_size});
    thread_pool().run(kLinears, [&](std::size_t l) {
      const LinearShape& shape = linears[i * kLinears + l];
      layer.linears[l] =
          Projection::load(file, shape.name, static_cast<int>(shape.out), static_cast<int>(shape.in), products, &arena);
    });
    done(p);
  }
  return m;
}

void LanguageModel::attach(const Adapter& adapter) {
  std::size_t attached = 0, index = 0;
  for (const LinearShape& shape : language_linears(config_)) {
    Projection& projection = layers_[index / kLinears].linears[index % kLinears];
    ++index;
    if (const auto found = adapter.modules.find(shape.name); found != adapter.modules.end()) {
      projection.attach(found->second);
      ++attached;
    }
  }
  CP_CHECK(attached == adapter.modules.size(), "attach: the adapter has modules that the model lacks");
}

void LanguageModel::embed_to(std::span<const int> ids, float* out) const {
  const std::size_t d = static_cast<std::size_t>(config_.hidden_size);
  for (const int id : ids) {
    CP_CHECK(id >= 0 && id < config_.vocab_size, "token id " + std::to_string(id) + " is outside the vocabulary");
    embedding_.row(id, std::span(out, d));
    out += d;
  }
}

std::vector<float> LanguageModel::embed(std::span<const int> ids) const {
  std::vector<float> out(ids.size() * static_cast<std::size_t>(config_.hidden_size));
  embed_to(ids, out.data());
  return out;
}

std::vector<float> LanguageModel::logits(std::span<const float> hidden) const { return head()(hidden); }

std::span<const float> LanguageModel::logits(std::span<const float> hidden, int leading, Cache& cache) const {
  Cache::Work& work = cache.work_;
  work.input.set(hidden, config_.hidden_size);
  work.logits.resize(static_cast<std::size_t>(work.input.rows()) * static_cast<std::size_t>(config_.vocab_size));
  if (leading > 0)
    head().leading(work.input, leading, work.leading, work.logits.data());
  else
    multiply({{head(), work.logits.data()}}, work.input);
  return work.logits;
}

}  // namespace cp
