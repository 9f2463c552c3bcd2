// In:  embeddings or tokens, and the cache.
// Out: one pass through the layers: prefill() over a prompt, step() over one token of each beam.
// Not here: loading, embedding and head (language_model.cpp).

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/decoder_ops.h"
#include "kernels/gemm.h"
#include "runtime/language_model.h"

namespace cp {

namespace {

constexpr int kQueries = 32;          // rows of a prompt that attend together
constexpr int kForkPositions = 1500;  // beams times positions from which attention is worth a fork

std::size_t size(int n) { return static_cast<std::size_t>(n); }

}  // namespace

// Cosines and sines (count, head_dim / 2) of positions first, first + 1 ...
void LanguageModel::angles(int first, int count, Cache::Work& work) const {
  const std::size_t half = inverse_frequency_.size();
  work.cosines.resize(size(count) * half);
  work.sines.resize(work.cosines.size());
  for (std::size_t m = 0; m < size(count); ++m) {
    const float position = static_cast<float>(first + static_cast<int>(m));
    for (std::size_t i = 0; i < half; ++i) {
      work.cosines[m * half + i] = std::cos(position * inverse_frequency_[i]);
      work.sines[m * half + i] = std::sin(position * inverse_frequency_[i]);
    }
  }
}

// q, k, v of the rows of work.x, rotated; row m stands at position m `step` of work's angles. Queries are scaled.
void LanguageModel::project(const Layer& layer, int step, Cache::Work& work) const {
  const std::size_t rows = work.x.size() / size(config_.hidden_size), half = inverse_frequency_.size();
  const std::size_t q_row = size(layer.linears[kQ].out()), kv_row = size(layer.linears[kK].out());
  work.normed.resize(work.x.size());
  rms_norm_to(work.x, layer.attention_norm, eps(), work.normed.data());
  work.q.resize(rows * q_row);
  work.k.resize(rows * kv_row);
  work.v.resize(rows * kv_row);
  work.input.set(work.normed, config_.hidden_size);
  multiply({{layer.linears[kQ], work.q.data()}, {layer.linears[kK], work.k.data()}, {layer.linears[kV], work.v.data()}},
           work.input);
  const float scale = 1.f / std::sqrt(static_cast<float>(config_.head_dim));
  for (std::size_t m = 0; m < rows; ++m) {
    const std::size_t at = m * size(step) * half;
    rotate_heads(work.q.data() + m * q_row, config_.num_attention_heads, static_cast<int>(half),
                 work.cosines.data() + at, work.sines.data() + at);
    rotate_heads(work.k.data() + m * kv_row, config_.num_key_value_heads, static_cast<int>(half),
                 work.cosines.data() + at, work.sines.data() + at);
  }
  for (float& q : work.q) q *= scale;
}

// work.mixed from work.q: every row over the rows before it and itself. One piece is a head of some rows.
void LanguageModel::attend_prompt(const StoredKeys& kept, int length, Cache::Work& work) const {
  const int heads = config_.num_attention_heads, d = config_.head_dim, group = heads / config_.num_key_value_heads;
  const std::size_t row = size(heads * d), blocks = size((length + kQueries - 1) / kQueries);
  work.mixed.resize(work.q.size());
  thread_pool().run(size(heads) * blocks, [&](std::size_t piece) {
    thread_local std::vector<float> queries, scratch;
    const int block = static_cast<int>(blocks - 1 - piece / size(heads));  // the longest first
    const int head = static_cast<int>(piece % size(heads)), first = block * kQueries;
    const int rows = std::min(kQueries, length - first);
    queries.resize(size(kQueries * d));
    const std::size_t at = size(first) * row + size(head * d);
    for (int r = 0; r < rows; ++r) std::copy_n(work.q.data() + at + size(r) * row, d, queries.data() + r * d);
    attend(queries.data(), rows, head / group, {&kept, first + rows}, {}, true, scratch, work.mixed.data() + at, row);
  });
}

// The same for one row a beam, over the prompt and what the beam wrote. One piece is a beam's group of heads.
void LanguageModel::attend_beams(const Cache::Layer& kept, std::size_t beams, int prompt, int own,
                                 Cache::Work& work) const {
  const int heads_kv = config_.num_key_value_heads, d = config_.head_dim,
            group = config_.num_attention_heads / heads_kv;
  work.mixed.resize(work.q.size());
  const auto piece = [&](std::size_t i, std::vector<float>& scratch) {
    const std::size_t at = i * size(group * d);
    attend(work.q.data() + at, group, static_cast<int>(i % size(heads_kv)), {&kept.prompt, prompt},
           {&kept.beams[i / size(heads_kv)], own}, false, scratch, work.mixed.data() + at, size(d));
  };
  const std::size_t pieces = beams * size(heads_kv);
  if (beams * size(prompt + own) < kForkPositions) {
    for (std::size_t i = 0; i < pieces; ++i) piece(i, work.attention);
  } else {
    thread_pool().run(pieces, [&](std::size_t i) {
      thread_local std::vector<float> scratch;
      piece(i, scratch);
    });
  }
}

// From work.mixed to the layer's output in work.x.
void LanguageModel::finish_layer(const Layer& layer, Cache::Work& work) const {
  const int hidden = config_.hidden_size, wide = config_.intermediate_size;
  work.input.set(work.mixed, layer.linears[kO].in());
  multiply({{layer.linears[kO], work.normed.data()}}, work.input);
  axpy(1.f, work.normed.data(), work.x.data(), static_cast<int>(work.x.size()));

  rms_norm_to(work.x, layer.mlp_norm, eps(), work.normed.data());
  work.input.set(work.normed, hidden);
  work.gate.resize(size(work.input.rows()) * size(wide));
  work.up.resize(work.gate.size());
  multiply_beside({layer.linears[kGate], work.gate.data()}, {layer.linears[kUp], work.up.data()}, work.input,
                  [&work](std::size_t first, std::size_t last) {
                    const std::size_t rows = size(work.input.rows()), width = work.gate.size() / rows;
                    for (std::size_t at = first; at < rows * width; at += width)
                      gated_silu(work.gate.data() + at, work.up.data() + at, last - first);
                  });
  work.input.set(work.gate, wide);
  multiply({{layer.linears[kDown], work.normed.data()}}, work.input);
  axpy(1.f, work.normed.data(), work.x.data(), static_cast<int>(work.x.size()));
}

std::vector<float> LanguageModel::prefill(std::span<const float> embeddings, Cache& cache) const {
  CP_CHECK(!embeddings.empty() && embeddings.size() % size(hidden()) == 0, "prefill: embeddings are not T x D");
  const int length = static_cast<int>(embeddings.size() / size(hidden()));
  Cache::Work& work = cache.work_;
  cache.prompt_length_ = length;
  cache.generated_ = 0;
  cache.beams_ = 1;
  cache.layers_.resize(layers_.size());
  work.x.assign(embeddings.begin(), embeddings.end());
  angles(0, length, work);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    project(layers_[l], 1, work);
    StoredKeys& kept = cache.layers_[l].prompt;
    kept.reset(config_.num_key_value_heads, config_.head_dim, length);
    const std::size_t row = work.k.size() / size(length);
    for (std::size_t t = 0; t < size(length); ++t) kept.append(work.k.data() + t * row, work.v.data() + t * row);
    attend_prompt(kept, length, work);
    finish_layer(layers_[l], work);
  }
  std::vector<float> out(work.x.size());
  rms_norm_to(work.x, final_norm_, eps(), out.data());
  return out;
}

// The beams' keys and values in the order of the parents; nothing moves where each beam goes on by itself.
void LanguageModel::reorder(std::span<const int> parents, Cache& cache) const {
  bool same = true;
  for (std::size_t b = 0; b < parents.size(); ++b) {
    CP_CHECK(parents[b] >= 0 && parents[b] < cache.beams_, "decode: no such beam");
    same = same && parents[b] == static_cast<int>(b);
  }
  for (Cache::Layer& layer : cache.layers_) {
    if (cache.generated_ == 0) {
      layer.beams.resize(std::max(layer.beams.size(), parents.size()));
      for (std::size_t b = 0; b < parents.size(); ++b)
        layer.beams[b].reset(config_.num_key_value_heads, config_.head_dim, kRoom);
    } else if (!same) {
      layer.spare.resize(std::max(layer.spare.size(), parents.size()));
      for (std::size_t b = 0; b < parents.size(); ++b) layer.spare[b] = layer.beams[size(parents[b])];
      std::swap(layer.beams, layer.spare);
    }
  }
  cache.beams_ = static_cast<int>(parents.size());
}

std::span<const float> LanguageModel::step(std::span<const int> tokens, std::span<const int> parents,
                                           Cache& cache) const {
  CP_CHECK(cache.prompt_length_ > 0, "decode: no prompt in the cache");
  CP_CHECK(!tokens.empty() && tokens.size() == parents.size(), "decode: tokens and parents differ in number");
  const std::size_t beams = tokens.size();
  Cache::Work& work = cache.work_;
  reorder(parents, cache);
  work.x.resize(beams * size(hidden()));
  embed_to(tokens, work.x.data());
  angles(cache.length(), 1, work);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    project(layers_[l], 0, work);
    Cache::Layer& kept = cache.layers_[l];
    const std::size_t row = work.k.size() / beams;
    for (std::size_t b = 0; b < beams; ++b) kept.beams[b].append(work.k.data() + b * row, work.v.data() + b * row);
    attend_beams(kept, beams, cache.prompt_length_, cache.generated_ + 1, work);
    finish_layer(layers_[l], work);
  }
  ++cache.generated_;
  rms_norm_to(work.x, final_norm_, eps(), work.normed.data());
  return work.normed;
}

}  // namespace cp
