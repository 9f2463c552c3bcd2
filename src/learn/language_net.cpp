#include "learn/language_net.h"

#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "formats/language_tensors.h"
#include "formats/language_weights.h"
#include "learn/checkpoint.h"

namespace cp {
namespace {

// x (B h T d) rotated by position: the halves convention of Qwen2 and Llama ("rotate_half").
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor turned = at::cat({-x.slice(-1, half), x.slice(-1, 0, half)}, -1);
  return x * cos + turned * sin;
}

constexpr const char* kEmbedding = "model.embed_tokens";
constexpr const char* kHead = "lm_head";

}  // namespace

LanguageNet::LanguageNet(const LanguageConfig& config, std::uint64_t seed, double dropout)
    : params(seed), config_(config), dropout_(dropout) {
  const std::int64_t d = config.hidden_size;
  params.add_normal("model.embed_tokens.weight", {config.vocab_size, d}, 0.02);
  for (const LinearShape& linear : language_linears(config)) {
    const std::string layer = linear.name.substr(0, linear.name.find('.', std::string("model.layers.").size()) + 1);
    if (linear.name.ends_with("q_proj")) params.add_constant(layer + "input_layernorm.weight", {d}, 1.0);
    if (linear.name.ends_with("gate_proj")) params.add_constant(layer + "post_attention_layernorm.weight", {d}, 1.0);
    params.add_normal(linear.name + ".weight", {linear.out, linear.in}, linear.out == d ? 0.02 : 0.03);
    const bool qkv =
        linear.name.ends_with("q_proj") || linear.name.ends_with("k_proj") || linear.name.ends_with("v_proj");
    if (qkv && config.qkv_bias()) params.add_constant(linear.name + ".bias", {linear.out}, 0.0);
  }
  params.add_constant("model.norm.weight", {d}, 1.0);
  if (!config.tie_word_embeddings) params.add_normal("lm_head.weight", {config.vocab_size, d}, 0.02);
}

LanguageNet::LanguageNet(const LanguageConfig& c, const SafeTensors& file) : config_(c), dropout_(0) {
  check_language_weights(c, file);
  for (const LinearShape& linear : language_linears(c)) {
    frozen_[linear.name] =
        FrozenLinear::load(file, linear.name, static_cast<int>(linear.out), static_cast<int>(linear.in));
    if (has_bias(c, linear.name)) params.add_constant(linear.name + ".bias", {linear.out}, 0);
  }
  frozen_[kEmbedding] = FrozenLinear::load(file, kEmbedding, c.vocab_size, c.hidden_size);
  if (!c.tie_word_embeddings) frozen_[kHead] = FrozenLinear::load(file, kHead, c.vocab_size, c.hidden_size);
  for (int i = 0; i < c.num_hidden_layers; ++i)
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      params.add_constant(fmt::format("model.layers.{}.{}.weight", i, norm), {c.hidden_size}, 1);
  params.add_constant("model.norm.weight", {c.hidden_size}, 1);
  params.load(file);
  params.set_trainable(false);
}

LanguageNet LanguageNet::load_frozen(const LanguageConfig& config, const SafeTensors& file) { return {config, file}; }

const FrozenLinear& LanguageNet::frozen_head() const {
  CP_CHECK(!frozen_.empty(), "frozen_head: the base is not frozen");
  return frozen_.at(config_.tie_word_embeddings ? kEmbedding : kHead);
}

void LanguageNet::load(const SafeTensors& file) {
  check_language_weights(config_, file);
  at::NoGradGuard no_grad;
  for (const std::string& name : params.names()) {
    at::Tensor& weight = params[name];
    std::vector<float> values;
    if (weight.dim() == 2)
      values = weight_floats(file, name.substr(0, name.rfind('.')), static_cast<int>(weight.size(0)),
                             static_cast<int>(weight.size(1)));
    else
      values = file.floats(name, weight.sizes().vec());
    weight.copy_(at::from_blob(values.data(), weight.sizes(), at::kFloat));
  }
}

at::Tensor LanguageNet::embed(const at::Tensor& ids) const {
  return frozen_.empty() ? at::embedding(params["model.embed_tokens.weight"], ids) : frozen_.at(kEmbedding).rows(ids);
}

at::Tensor LanguageNet::logits(const at::Tensor& hidden) const {
  if (!frozen_.empty()) return frozen_head()(hidden);
  return at::linear(hidden, params[config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight"]);
}

at::Tensor LanguageNet::linear(const at::Tensor& x, const std::string& name, bool training) const {
  at::Tensor y;
  if (frozen_.empty()) {
    y = params.linear(x, name);
  } else {
    y = frozen_.at(name)(x);
    if (params.has(name + ".bias")) y = y + params[name + ".bias"].to(x.scalar_type());
  }
  return lora && lora->has(name) ? y + lora->delta(x, name, training) : y;
}

at::Tensor LanguageNet::layer(int index, at::Tensor x, const at::Tensor& cos, const at::Tensor& sin,
                              const at::Tensor& mask, std::pair<at::Tensor, at::Tensor>* cache, bool training) const {
  const std::string name = fmt::format("model.layers.{}.", index);
  const std::int64_t batch = x.size(0), steps = x.size(1), head = config_.head_dim;
  const auto split = [&](const at::Tensor& y, std::int64_t heads) {
    return y.view({batch, steps, heads, head}).transpose(1, 2);  // (B h T d)
  };
  const at::Tensor n = params.rms_norm(x, name + "input_layernorm.weight", config_.rms_norm_eps);
  const at::Tensor q =
      rotate(split(linear(n, name + "self_attn.q_proj", training), config_.num_attention_heads), cos, sin);
  at::Tensor k = rotate(split(linear(n, name + "self_attn.k_proj", training), config_.num_key_value_heads), cos, sin);
  at::Tensor v = split(linear(n, name + "self_attn.v_proj", training), config_.num_key_value_heads);
  if (cache) {
    if (cache->first.defined()) {
      k = at::cat({cache->first, k}, 2);
      v = at::cat({cache->second, v}, 2);
    }
    *cache = {k, v};
  }
  const std::int64_t groups = config_.num_attention_heads / config_.num_key_value_heads;
  const at::Tensor attended = at::scaled_dot_product_attention(q, k.repeat_interleave(groups, 1),
                                                               v.repeat_interleave(groups, 1), mask, 0.0, false);
  const at::Tensor joined = attended.transpose(1, 2).reshape({batch, steps, -1});
  x = x + at::dropout(linear(joined, name + "self_attn.o_proj", training), dropout_, training);
  const at::Tensor m = params.rms_norm(x, name + "post_attention_layernorm.weight", config_.rms_norm_eps);
  const at::Tensor gate =
      at::silu(linear(m, name + "mlp.gate_proj", training)) * linear(m, name + "mlp.up_proj", training);
  return x + at::dropout(linear(gate, name + "mlp.down_proj", training), dropout_, training);
}

at::Tensor LanguageNet::forward(const at::Tensor& input, KeyValues& cache, bool training,
                                const at::Tensor& real) const {
  if (cache.empty()) cache.resize(static_cast<std::size_t>(config_.num_hidden_layers));
  const std::int64_t steps = input.size(1);
  const std::int64_t past = cache[0].first.defined() ? cache[0].first.size(2) : 0;
  Layout layout{at::ones({steps, past + steps}, at::kBool).tril(past),  // 1 = may be looked at
                at::arange(past, past + steps, at::kDouble).unsqueeze(1)};
  if (real.defined()) {
    // A padded query sees itself, so that no row of the softmax is empty.
    const at::Tensor self = at::eye(past + steps, at::kBool).slice(0, past);
    layout.mask = layout.mask.logical_and(real.view({-1, 1, 1, past + steps})).logical_or(self);
    layout.places = (real.cumsum(1) - 1).clamp_min(0).slice(1, past).to(at::kDouble).view({-1, 1, steps, 1});
  }
  return run(input, &cache, layout, training);
}

at::Tensor LanguageNet::forward_packed(const at::Tensor& x, const std::vector<std::int64_t>& lengths,
                                       bool training) const {
  std::vector<at::Tensor> blocks, places;
  for (const std::int64_t length : lengths) {
    blocks.push_back(at::ones({length, length}, at::kBool).tril());
    places.push_back(at::arange(length, at::kDouble));
  }
  const Layout layout{at::block_diag(blocks), at::cat(places).unsqueeze(1)};
  CP_CHECK(x.size(0) == 1 && x.size(1) == layout.places.size(0), "forward_packed: the lengths do not fill the row");
  return run(x, nullptr, layout, training);
}

at::Tensor LanguageNet::run(const at::Tensor& input, KeyValues* cache, const Layout& layout, bool training) const {
  const std::int64_t head = config_.head_dim;
  const at::Tensor rates =
      at::pow(config_.rope_theta, at::arange(0, head, 2, at::kDouble) / (-static_cast<double>(head)));
  const at::Tensor half = layout.places * rates;  // angles in double, as exact as the table can be
  const at::Tensor angles = at::cat({half, half}, -1);
  const at::Tensor cos = angles.cos().to(input.scalar_type()), sin = angles.sin().to(input.scalar_type());
  at::Tensor x = at::dropout(input, dropout_, training);
  for (int i = 0; i < config_.num_hidden_layers; ++i) {
    std::pair<at::Tensor, at::Tensor>* kept = cache ? &(*cache)[static_cast<std::size_t>(i)] : nullptr;
    const auto compute = [=, this, mask = layout.mask](const at::Tensor& in) {
      return layer(i, in, cos, sin, mask, kept, training);
    };
    x = checkpoint_layers && !kept && at::GradMode::is_enabled() ? checkpointed(compute, x) : compute(x);
  }
  return params.rms_norm(x, "model.norm.weight", config_.rms_norm_eps);
}

KeyValues repeat_rows(const KeyValues& cache, std::int64_t times) {
  KeyValues out;
  for (const auto& [k, v] : cache) out.emplace_back(k.repeat_interleave(times, 0), v.repeat_interleave(times, 0));
  return out;
}

}  // namespace cp
