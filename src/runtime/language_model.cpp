#include "runtime/language_model.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "formats/language_tensors.h"
#include "formats/language_weights.h"
#include "kernels/norm.h"

namespace cp {

namespace {

// Rows of keys and values that one query sees: `count` of them, `stride` floats apart.
struct Rows {
  const float *k, *v;
  int count;
};

// out (head_dim) = softmax(q . K / sqrt(head_dim)) V over the rows of both parts.
void attend(const float* q, const Rows& first, const Rows& second, std::size_t stride, int head_dim,
            std::vector<float>& weights, float* out) {
  const float scale = 1.f / std::sqrt(static_cast<float>(head_dim));
  weights.clear();
  for (const Rows& rows : {first, second})
    for (int t = 0; t < rows.count; ++t)
      weights.push_back(scale * dot(q, rows.k + static_cast<std::size_t>(t) * stride, head_dim));
  softmax(weights, static_cast<int>(weights.size()));
  std::fill_n(out, head_dim, 0.f);
  std::size_t i = 0;
  for (const Rows& rows : {first, second})
    for (int t = 0; t < rows.count; ++t)
      axpy(weights[i++], rows.v + static_cast<std::size_t>(t) * stride, out, head_dim);
}

void add(const std::vector<float>& x, std::vector<float>& y) {
  axpy(1.f, x.data(), y.data(), static_cast<int>(y.size()));
}

std::vector<float> normed(std::vector<float> x, const LanguageConfig& c, const std::vector<float>& weight) {
  rms_norm(x, c.hidden_size, weight, static_cast<float>(c.rms_norm_eps));
  return x;
}

}  // namespace

LanguageModel LanguageModel::load(const std::filesystem::path& folder) {
  const LanguageConfig config = read_language_config(folder / "config.json");  // before gigabytes are read
  return load(config, SafeTensors::open(folder));
}

LanguageModel LanguageModel::load(const LanguageConfig& c, const SafeTensors& file) {
  check_language_weights(c, file);
  LanguageModel m;
  m.config_ = c;
  for (int i = 0; i < c.head_dim / 2; ++i)
    m.inverse_frequency_.push_back(static_cast<float>(std::pow(c.rope_theta, -2.0 * i / c.head_dim)));
  m.embedding_ = Projection::load(file, "model.embed_tokens", c.vocab_size, c.hidden_size);
  m.final_norm_ = load_floats(file, "model.norm.weight", {c.hidden_size});
  if (!c.tie_word_embeddings) m.head_ = Projection::load(file, "lm_head", c.vocab_size, c.hidden_size);
  const std::vector<LinearShape> linears = language_linears(c);
  auto next = linears.begin();
  const auto linear = [&] {
    const LinearShape& shape = *next++;
    return Projection::load(file, shape.name, static_cast<int>(shape.out), static_cast<int>(shape.in));
  };
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const std::string p = "model.layers." + std::to_string(i) + ".";
    Layer layer;
    layer.attention_norm = load_floats(file, p + "input_layernorm.weight", {c.hidden_size});
    layer.mlp_norm = load_floats(file, p + "post_attention_layernorm.weight", {c.hidden_size});
    for (Projection& projection : layer.linears) projection = linear();
    m.layers_.push_back(std::move(layer));
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

std::vector<float> LanguageModel::embed(std::span<const int> ids) const {
  const std::size_t d = static_cast<std::size_t>(config_.hidden_size);
  std::vector<float> out(ids.size() * d);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    CP_CHECK(ids[i] >= 0 && ids[i] < config_.vocab_size,
             "token id " + std::to_string(ids[i]) + " is outside the vocabulary");
    embedding_.row(ids[i], std::span(out).subspan(i * d, d));
  }
  return out;
}

// Rotary positions in the half-split form of Hugging Face: (x_i, x_{i + d/2}) turns by position * theta^(-2 i / d).
void LanguageModel::rotate(std::span<float> x, int heads, int first, int step) const {
  const std::size_t half = inverse_frequency_.size(), row = static_cast<std::size_t>(heads) * 2 * half;
  for (std::size_t m = 0; m * row < x.size(); ++m) {
    const float position = static_cast<float>(first + static_cast<int>(m) * step);
    for (std::size_t i = 0; i < half; ++i) {
      const float cosine = std::cos(position * inverse_frequency_[i]),
                  sine = std::sin(position * inverse_frequency_[i]);
      for (float* head = x.data() + m * row; head < x.data() + (m + 1) * row; head += 2 * half) {
        const float low = head[i], high = head[i + half];
        head[i] = low * cosine - high * sine;
        head[i + half] = high * cosine + low * sine;
      }
    }
  }
}

void LanguageModel::mlp(const Layer& layer, std::vector<float>& x) const {
  const std::vector<float> h = normed(x, config_, layer.mlp_norm);
  std::vector<float> gate = layer.linears[kGate](h);
  const std::vector<float> up = layer.linears[kUp](h);
  silu(gate);
  for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i];
  add(layer.linears[kDown](gate), x);
}

std::vector<float> LanguageModel::prefill(std::span<const float> embeddings, Cache& cache) const {
  const std::size_t d = static_cast<std::size_t>(config_.hidden_size);
  CP_CHECK(!embeddings.empty() && embeddings.size() % d == 0, "prefill: embeddings are not T x D");
  const int length = static_cast<int>(embeddings.size() / d), head_dim = config_.head_dim;
  const int group = config_.num_attention_heads / config_.num_key_value_heads;
  const std::size_t kv_row = static_cast<std::size_t>(config_.num_key_value_heads * head_dim);
  cache = Cache();
  cache.prompt_length_ = length;
  cache.layers_.resize(layers_.size());
  std::vector<float> x(embeddings.begin(), embeddings.end()), weights;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    const std::vector<float> h = normed(x, config_, layer.attention_norm);
    std::vector<float> q = layer.linears[kQ](h);
    Cache::Layer& kept = cache.layers_[l];
    kept.prompt_k = layer.linears[kK](h);
    kept.prompt_v = layer.linears[kV](h);
    rotate(q, config_.num_attention_heads, 0, 1);
    rotate(kept.prompt_k, config_.num_key_value_heads, 0, 1);
    std::vector<float> mixed(q.size());
    for (int t = 0; t < length; ++t)
      for (int n = 0; n < config_.num_attention_heads; ++n) {
        const std::size_t from = static_cast<std::size_t>((t * config_.num_attention_heads + n) * head_dim);
        const std::size_t kv = static_cast<std::size_t>(n / group * head_dim);
        const Rows seen{kept.prompt_k.data() + kv, kept.prompt_v.data() + kv, t + 1};  // causal
        attend(q.data() + from, seen, {nullptr, nullptr, 0}, kv_row, head_dim, weights, mixed.data() + from);
      }
    add(layer.linears[kO](mixed), x);
    mlp(layer, x);
  }
  return normed(std::move(x), config_, final_norm_);
}

std::vector<float> LanguageModel::decode(std::span<const int> tokens, std::span<const int> parents,
                                         Cache& cache) const {
  CP_CHECK(cache.prompt_length_ > 0, "decode: no prompt in the cache");
  CP_CHECK(!tokens.empty() && tokens.size() == parents.size(), "decode: tokens and parents differ in number");
  const std::size_t beams = tokens.size(),
                    kv_row = static_cast<std::size_t>(config_.num_key_value_heads * config_.head_dim);
  const int head_dim = config_.head_dim, group = config_.num_attention_heads / config_.num_key_value_heads;
  std::vector<float> x = embed(tokens), weights;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    Cache::Layer& kept = cache.layers_[l];
    if (cache.generated_ == 0) {
      kept.beam_k.assign(1, {});
      kept.beam_v.assign(1, {});
    }
    std::vector<std::vector<float>> beam_k, beam_v;
    for (const int parent : parents) {
      CP_CHECK(parent >= 0 && static_cast<std::size_t>(parent) < kept.beam_k.size(), "decode: no such beam");
      beam_k.push_back(kept.beam_k[static_cast<std::size_t>(parent)]);
      beam_v.push_back(kept.beam_v[static_cast<std::size_t>(parent)]);
    }
    kept.beam_k = std::move(beam_k);
    kept.beam_v = std::move(beam_v);

    const std::vector<float> h = normed(x, config_, layer.attention_norm);
    std::vector<float> q = layer.linears[kQ](h), k = layer.linears[kK](h);
    const std::vector<float> v = layer.linears[kV](h);
    rotate(q, config_.num_attention_heads, cache.length(), 0);
    rotate(k, config_.num_key_value_heads, cache.length(), 0);
    std::vector<float> mixed(q.size());
    for (std::size_t b = 0; b < beams; ++b) {
      kept.beam_k[b].insert(kept.beam_k[b].end(), k.data() + b * kv_row, k.data() + (b + 1) * kv_row);
      kept.beam_v[b].insert(kept.beam_v[b].end(), v.data() + b * kv_row, v.data() + (b + 1) * kv_row);
      for (int n = 0; n < config_.num_attention_heads; ++n) {
        const std::size_t from =
            (b * static_cast<std::size_t>(config_.num_attention_heads) + static_cast<std::size_t>(n)) *
            static_cast<std::size_t>(head_dim);
        const std::size_t kv = static_cast<std::size_t>(n / group * head_dim);
        const Rows prompt{kept.prompt_k.data() + kv, kept.prompt_v.data() + kv, cache.prompt_length_};
        const Rows own{kept.beam_k[b].data() + kv, kept.beam_v[b].data() + kv, cache.generated_ + 1};
        attend(q.data() + from, prompt, own, kv_row, head_dim, weights, mixed.data() + from);
      }
    }
    add(layer.linears[kO](mixed), x);
    mlp(layer, x);
  }
  ++cache.generated_;
  return normed(std::move(x), config_, final_norm_);
}

std::vector<float> LanguageModel::logits(std::span<const float> hidden) const {
  return (config_.tie_word_embeddings ? embedding_ : head_)(hidden);
}

}  // namespace cp
