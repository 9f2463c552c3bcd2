#include "learn/language_net.h"

#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "formats/language_tensors.h"
#include "formats/language_weights.h"

namespace cp {
namespace {

// x (B h T d) rotated by position: the halves convention of Qwen2 and Llama ("rotate_half").
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor turned = at::cat({-x.slice(-1, half), x.slice(-1, 0, half)}, -1);
  return x * cos + turned * sin;
}

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
  return at::embedding(params["model.embed_tokens.weight"], ids);
}

at::Tensor LanguageNet::logits(const at::Tensor& hidden) const {
  return at::linear(hidden, params[config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight"]);
}

at::Tensor LanguageNet::linear(const at::Tensor& x, const std::string& name, bool training) const {
  const at::Tensor y = params.linear(x, name);
  return lora && lora->has(name) ? y + lora->delta(x, name, training) : y;
}

at::Tensor LanguageNet::layer(int index, at::Tensor x, const at::Tensor& cos, const at::Tensor& sin,
                              const at::Tensor& mask, std::pair<at::Tensor, at::Tensor>& cache, bool training) const {
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
  if (cache.first.defined()) {
    k = at::cat({cache.first, k}, 2);
    v = at::cat({cache.second, v}, 2);
  }
  cache = {k, v};
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
  const std::int64_t head = config_.head_dim;
  at::Tensor mask = at::ones({steps, past + steps}, at::kBool).tril(past);  // 1 = may be looked at
  at::Tensor places = at::arange(past, past + steps, at::kDouble).unsqueeze(1);
  if (real.defined()) {
    // A padded query sees itself, so that no row of the softmax is empty.
    const at::Tensor self = at::eye(past + steps, at::kBool).slice(0, past);
    mask = mask.logical_and(real.view({-1, 1, 1, past + steps})).logical_or(self);
    places = (real.cumsum(1) - 1).clamp_min(0).slice(1, past).to(at::kDouble).view({-1, 1, steps, 1});
  }
  const at::Tensor rates =
      at::pow(config_.rope_theta, at::arange(0, head, 2, at::kDouble) / (-static_cast<double>(head)));
  const at::Tensor half = places * rates;  // (T d/2), angles in double, as exact as the table can be
  const at::Tensor angles = at::cat({half, half}, -1);
  const at::Tensor cos = angles.cos().to(input.scalar_type()), sin = angles.sin().to(input.scalar_type());
  at::Tensor x = at::dropout(input, dropout_, training);
  for (int i = 0; i < config_.num_hidden_layers; ++i)
    x = layer(i, x, cos, sin, mask, cache[static_cast<std::size_t>(i)], training);
  return params.rms_norm(x, "model.norm.weight", config_.rms_norm_eps);
}

KeyValues repeat_rows(const KeyValues& cache, std::int64_t times) {
  KeyValues out;
  for (const auto& [k, v] : cache) out.emplace_back(k.repeat_interleave(times, 0), v.repeat_interleave(times, 0));
  return out;
}

}  // namespace cp
