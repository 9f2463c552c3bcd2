#include "learn/clip_net.h"

#include <fmt/format.h>

namespace cp {

// Every weight starts as 0 and is loaded: drawing a hundred million numbers only to replace them takes seconds.
ClipNet::ClipNet(const ClipConfig& c) : config_(c) {
  const std::int64_t width = c.hidden_size, inner = c.intermediate_size, patch = c.patch_size;
  const auto add = [&](const std::string& prefix, at::IntArrayRef weight) {
    params.add_constant(prefix + ".weight", weight, 0.0);
    params.add_constant(prefix + ".bias", {weight[0]}, 0.0);
  };
  params.add_constant("vision_model.embeddings.class_embedding", {width}, 0.0);
  params.add_constant("vision_model.embeddings.patch_embedding.weight", {width, 3, patch, patch}, 0.0);
  params.add_constant("vision_model.embeddings.position_embedding.weight", {c.tokens(), width}, 0.0);
  add("vision_model.pre_layrnorm", {width});
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const std::string p = fmt::format("vision_model.encoder.layers.{}.", i);
    add(p + "layer_norm1", {width});
    for (const char* name : {"q_proj", "k_proj", "v_proj", "out_proj"}) add(p + "self_attn." + name, {width, width});
    add(p + "layer_norm2", {width});
    add(p + "mlp.fc1", {inner, width});
    add(p + "mlp.fc2", {width, inner});
  }
  add("vision_model.post_layernorm", {width});
  params.add_constant("visual_projection.weight", {c.projection_dim, width}, 0.0);
}

ClipNet ClipNet::load(const std::filesystem::path& folder) {
  const ClipConfig config = read_clip_config(folder / "config.json");
  const SafeTensors file = SafeTensors::open(folder);
  clip_tensors(config).check(file);
  ClipNet net(config);
  net.params.load(file);
  return net;
}

at::Tensor ClipNet::layer(const std::string& name, const at::Tensor& x) const {
  const std::int64_t batch = x.size(0), tokens = x.size(1);
  const at::Tensor h = params.layer_norm(x, name + "layer_norm1", config_.layer_norm_eps);
  const auto heads = [&](const char* projection) {  // (B h T d)
    return params.linear(h, name + "self_attn." + projection)
        .view({batch, tokens, config_.num_attention_heads, config_.head_dim()})
        .transpose(1, 2);
  };
  const at::Tensor mixed =
      at::scaled_dot_product_attention(heads("q_proj"), heads("k_proj"), heads("v_proj"), {}, 0.0, false);
  const at::Tensor y =
      x + params.linear(mixed.transpose(1, 2).reshape({batch, tokens, -1}), name + "self_attn.out_proj");
  const at::Tensor m =
      params.linear(params.layer_norm(y, name + "layer_norm2", config_.layer_norm_eps), name + "mlp.fc1");
  return y + params.linear(config_.quick_gelu ? m * (1.702 * m).sigmoid() : at::gelu(m), name + "mlp.fc2");
}

ClipOut ClipNet::forward(const at::Tensor& images) const {
  const std::string embeddings = "vision_model.embeddings.";
  const at::Tensor patches =
      at::conv2d(images, params[embeddings + "patch_embedding.weight"], {}, {config_.patch_size, config_.patch_size})
          .flatten(2)
          .transpose(1, 2);
  const at::Tensor first = params[embeddings + "class_embedding"].expand({images.size(0), 1, config_.hidden_size});
  at::Tensor x = at::cat({first, patches}, 1) + params[embeddings + "position_embedding.weight"];
  x = params.layer_norm(x, "vision_model.pre_layrnorm", config_.layer_norm_eps);
  for (int i = 0; i < config_.num_hidden_layers; ++i) x = layer(fmt::format("vision_model.encoder.layers.{}.", i), x);
  const at::Tensor token = params.layer_norm(x.select(1, 0), "vision_model.post_layernorm", config_.layer_norm_eps);
  return {params.linear(token, "visual_projection"), x.slice(1, 1)};
}

}  // namespace cp
