#include "learn/language_net.h"

#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "formats/language_tensors.h"
#include "formats/language_weights.h"
#include "learn/checkpoint.h"
#include "learn/fused_ops.h"

namespace cp {
namespace {

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
    if (has_bias(config, linear.name)) params.add_constant(linear.name + ".bias", {linear.out}, 0.0);
  }
  params.add_constant("model.norm.weight", {d}, 1.0);
  if (!config.tie_word_embeddings) params.add_normal("lm_head.weight", {config.vocab_size, d}, 0.02);
}

LanguageNet::LanguageNet(const LanguageConfig& c, SafeTensors file) : config_(c), dropout_(0) {
  check_language_weights(c, file);
  const auto take = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    frozen_[name] = FrozenLinear::load(file, name, static_cast<int>(out), static_cast<int>(in));
    file.release(name + ".weight");
  };
  for (const LinearShape& linear : language_linears(c)) {
    take(linear.name, linear.out, linear.in);
    if (has_bias(c, linear.name)) params.add_constant(linear.name + ".bias", {linear.out}, 0);
  }
  take(kEmbedding, c.vocab_size, c.hidden_size);
  if (!c.tie_word_embeddings) take(kHead, c.vocab_size, c.hidden_size);
  for (int i = 0; i < c.num_hidden_layers; ++i)
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      params.add_constant(fmt::format("model.layers.{}.{}.weight", i, norm), {c.hidden_size}, 1);
  params.add_constant("model.norm.weight", {c.hidden_size}, 1);
  params.load(file);
  params.set_trainable(false);
}

LanguageNet LanguageNet::load_frozen(const LanguageConfig& config, SafeTensors file) {
  return {config, std::move(file)};
}

void LanguageNet::to(at::Device device) {
  for (auto& [name, layer] : frozen_) layer = layer.to(device);
  params.to(device);
  if (lora) lora->params.to(device);
}

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
  std::optional<at::Tensor> bias;
  if (params.has(name + ".bias")) bias = params[name + ".bias"].to(x.scalar_type());
  at::Tensor y;
  if (frozen_.empty()) {
    y = at::linear(x, params[name + ".weight"].to(x.scalar_type()), bias);
  } else {
    y = frozen_.at(name)(x);
    if (bias) y.add_(*bias);
  }
  return lora && lora->has(name) ? y.add_(lora->delta(x, name, training)) : y;
}

at::Tensor LanguageNet::norm(const at::Tensor& x, const std::string& name, at::ScalarType out) const {
  return rms_norm(x, params[name], config_.rms_norm_eps, out);
}

at::Tensor LanguageNet::attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  const Layout& layout) const {
  const auto attend = [this](const at::Tensor& queries, at::Tensor keys, at::Tensor values, const at::Tensor& mask) {
    if (!queries.is_cpu()) {  // only the kernel for the CPU reads grouped heads in every dtype
      keys = keys.repeat_interleave(config_.num_attention_heads / config_.num_key_value_heads, 1);
      values = values.repeat_interleave(config_.num_attention_heads / config_.num_key_value_heads, 1);
    }
    const bool causal = !mask.defined() && queries.size(2) == keys.size(2);
    return at::scaled_dot_product_attention(queries, keys, values, mask.defined() ? std::optional(mask) : std::nullopt,
                                            0.0, causal, std::nullopt, queries.is_cpu());
  };
  if (layout.lengths.size() < 2) return attend(q, k, v, layout.masks.empty() ? at::Tensor() : layout.masks[0]);
  // split(), since the gradient of a split is one concatenation; those of as many slices are as many whole rows.
  const std::vector<at::Tensor> queries = q.split_with_sizes(layout.lengths, 2),
                                keys = k.split_with_sizes(layout.lengths, 2),
                                values = v.split_with_sizes(layout.lengths, 2);
  std::vector<at::Tensor> out;
  for (std::size_t i = 0; i < queries.size(); ++i)
    out.push_back(attend(queries[i], keys[i], values[i], layout.masks[i]));
  return at::cat(out, 2);
}

at::Tensor LanguageNet::layer(int index, at::Tensor x, const Layout& layout, std::pair<at::Tensor, at::Tensor>* cache,
                              bool training) const {
  const std::string name = fmt::format("model.layers.{}.", index);
  const std::int64_t batch = x.size(0), steps = x.size(1), head = config_.head_dim;
  const auto split = [&](const at::Tensor& y, std::int64_t heads) {
    return y.view({batch, steps, heads, head}).transpose(1, 2);  // (B h T d)
  };
  const auto turned = [&](const at::Tensor& y, std::int64_t heads) {
    return rotate(split(y, heads), layout.cos, layout.sin);
  };
  const at::ScalarType dtype = compute == at::kFloat ? x.scalar_type() : compute;
  at::Tensor joined;
  {
    const at::Tensor n = norm(x, name + "input_layernorm.weight", dtype);
    const at::Tensor q = turned(linear(n, name + "self_attn.q_proj", training), config_.num_attention_heads);
    at::Tensor k = turned(linear(n, name + "self_attn.k_proj", training), config_.num_key_value_heads);
    at::Tensor v = split(linear(n, name + "self_attn.v_proj", training), config_.num_key_value_heads);
    if (cache) {
      if (cache->first.defined()) {
        k = at::cat({cache->first, k}, 2);
        v = at::cat({cache->second, v}, 2);
      }
      *cache = {k, v};
    }
    joined = attention(q, k, v, layout).transpose(1, 2).reshape({batch, steps, -1});
  }
  x = x + at::dropout(linear(joined, name + "self_attn.o_proj", training), dropout_, training);
  joined.reset();
  at::Tensor inner;
  {
    const at::Tensor m = norm(x, name + "post_attention_layernorm.weight", dtype);
    inner = swiglu(linear(m, name + "mlp.gate_proj", training), linear(m, name + "mlp.up_proj", training));
  }
  return x + at::dropout(linear(inner, name + "mlp.down_proj", training), dropout_, training);
}

at::Tensor LanguageNet::forward(const at::Tensor& input, KeyValues& cache, bool training,
                                const at::Tensor& real) const {
  if (cache.empty()) cache.resize(static_cast<std::size_t>(config_.num_hidden_layers));
  const std::int64_t steps = input.size(1);
  const std::int64_t past = cache[0].first.defined() ? cache[0].first.size(2) : 0;
  const at::TensorOptions options = input.options().dtype(at::kBool);
  Layout layout;
  at::Tensor places = at::arange(past, past + steps, options.dtype(at::kDouble)).unsqueeze(1);
  if (real.defined() || (past > 0 && steps > 1)) {
    at::Tensor mask = at::ones({steps, past + steps}, options).tril(past);  // 1 = may be looked at
    if (real.defined()) {
      // A padded query sees itself, so that no row of the softmax is empty.
      const at::Tensor self = at::eye(past + steps, options).slice(0, past);
      mask = mask.logical_and(real.view({-1, 1, 1, past + steps})).logical_or(self);
      places = (real.cumsum(1) - 1).clamp_min(0).slice(1, past).to(at::kDouble).view({-1, 1, steps, 1});
    }
    layout.masks = {mask};
  }
  return run(input, &cache, layout, places, training);
}

at::Tensor LanguageNet::forward_packed(const at::Tensor& x, const std::vector<Segment>& segments, bool training) const {
  const at::TensorOptions options = x.options().dtype(at::kBool);
  Layout layout;
  std::vector<at::Tensor> places;
  for (const Segment& segment : segments) {
    CP_CHECK(segment.prompt >= 0 && segment.length() > 0, "forward_packed: an empty segment");
    places.push_back(at::arange(segment.prompt, options.dtype(at::kDouble)));
    for (const std::int64_t answer : segment.answers)
      places.push_back(at::arange(segment.prompt, segment.prompt + answer, options.dtype(at::kDouble)));
    at::Tensor mask;  // undefined: causal, which is right as long as no second answer must not see the first
    if (segment.answers.size() > 1) {
      mask = at::ones({segment.length(), segment.length()}, options).tril();
      std::int64_t begin = segment.prompt;
      for (const std::int64_t answer : segment.answers) {
        mask.slice(0, begin + answer).slice(1, begin, begin + answer).fill_(false);
        begin += answer;
      }
    }
    layout.masks.push_back(mask);
    layout.lengths.push_back(segment.length());
  }
  const at::Tensor all = at::cat(places).unsqueeze(1);
  CP_CHECK(x.size(0) == 1 && x.size(1) == all.size(0), "forward_packed: the segments do not fill the row");
  return run(x, nullptr, layout, all, training);
}

at::Tensor LanguageNet::run(const at::Tensor& input, KeyValues* cache, Layout& layout, const at::Tensor& places,
                            bool training) const {
  const std::int64_t head = config_.head_dim;
  const at::Tensor rates =
      at::pow(config_.rope_theta, at::arange(0, head, 2, places.options()) / (-static_cast<double>(head)));
  const at::Tensor angles = places * rates;  // in double, as exact as the table can be
  const at::ScalarType table = input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  layout.cos = angles.cos().to(table);
  layout.sin = angles.sin().to(table);
  at::Tensor x = at::dropout(input, dropout_, training);
  for (int i = 0; i < config_.num_hidden_layers; ++i) {
    std::pair<at::Tensor, at::Tensor>* kept = cache ? &(*cache)[static_cast<std::size_t>(i)] : nullptr;
    const auto compute_layer = [=, this](const at::Tensor& in) { return layer(i, in, layout, kept, training); };
    x = checkpoint_layers && !kept && at::GradMode::is_enabled() ? checkpointed(compute_layer, x) : compute_layer(x);
  }
  return norm(x, "model.norm.weight", x.scalar_type());
}

KeyValues repeat_rows(const KeyValues& cache, std::int64_t times) {
  KeyValues out;
  for (const auto& [k, v] : cache) out.emplace_back(k.repeat_interleave(times, 0), v.repeat_interleave(times, 0));
  return out;
}

}  // namespace cp
