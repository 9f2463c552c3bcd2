#include "runtime/clip_vit.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "kernels/attention.h"
#include "kernels/norm.h"

namespace cp {

namespace {

void add(const std::vector<float>& x, std::vector<float>& y) {
  axpy(1.f, x.data(), y.data(), static_cast<int>(y.size()));
}

// (3 S S) -> (G G, 3 p p): each patch in the order in which torch keeps a convolution's weight.
std::vector<float> patch_rows(std::span<const float> chw, const ClipConfig& c) {
  const std::size_t side = static_cast<std::size_t>(c.image_size), patch = static_cast<std::size_t>(c.patch_size);
  const std::size_t grid = static_cast<std::size_t>(c.grid());
  std::vector<float> rows(grid * grid * 3 * patch * patch);
  float* to = rows.data();
  for (std::size_t gy = 0; gy < grid; ++gy)
    for (std::size_t gx = 0; gx < grid; ++gx)
      for (std::size_t channel = 0; channel < 3; ++channel)
        for (std::size_t y = 0; y < patch; ++y)
          to = std::copy_n(chw.data() + (channel * side + gy * patch + y) * side + gx * patch, patch, to);
  return rows;
}

// Packed weights are of another shape, every one of them: say so once.
void check_dense(const SafeTensors& file) {
  for (const auto& [name, view] : file.tensors())
    if (name.find(".quant_state.") != std::string::npos)
      throw UserError(ErrorKind::model, file.where(), "the vision encoder's weights are quantised (\"" + name + "\").",
                      "Take the dense folder: only language models are read in 4 bits.");
}

}  // namespace

ClipVit ClipVit::load(const std::filesystem::path& folder) {
  ClipVit m;
  m.config_ = read_clip_config(folder / "config.json");
  const ClipConfig& c = m.config_;
  const SafeTensors file = SafeTensors::open(folder);
  check_dense(file);
  clip_tensors(c).check(file);
  const std::string model = "vision_model.";
  const int width = c.hidden_size, patch = c.patch_size;
  m.class_embedding_ = load_floats(file, model + "embeddings.class_embedding", {width});
  m.position_embedding_ = load_floats(file, model + "embeddings.position_embedding.weight", {c.tokens(), width});
  m.patch_embedding_ = {
      pack_transposed(load_floats(file, model + "embeddings.patch_embedding.weight", {width, 3, patch, patch}), width,
                      3 * patch * patch),
      {}};
  m.pre_norm_ = load_norm(file, model + "pre_layrnorm", width);
  m.post_norm_ = load_norm(file, model + "post_layernorm", width);
  m.projection_ = load_linear(file, "visual_projection", c.projection_dim, width, false);
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const std::string p = model + "encoder.layers." + std::to_string(i) + ".";
    m.layers_.push_back({load_norm(file, p + "layer_norm1", width), load_norm(file, p + "layer_norm2", width),
                         load_linear(file, p + "self_attn.q_proj", width, width),
                         load_linear(file, p + "self_attn.k_proj", width, width),
                         load_linear(file, p + "self_attn.v_proj", width, width),
                         load_linear(file, p + "self_attn.out_proj", width, width),
                         load_linear(file, p + "mlp.fc1", c.intermediate_size, width),
                         load_linear(file, p + "mlp.fc2", width, c.intermediate_size)});
  }
  return m;
}

// (3 S S) -> (T W): class token, then patches, each plus its position.
std::vector<float> ClipVit::embed(std::span<const float> chw) const {
  std::vector<float> x = class_embedding_;
  const std::vector<float> patches = patch_embedding_(patch_rows(chw, config_));
  x.insert(x.end(), patches.begin(), patches.end());
  add(position_embedding_, x);
  return x;
}

std::vector<float> ClipVit::normed(std::vector<float> x, const Norm& norm) const {
  layer_norm(x, config_.hidden_size, norm.weight, norm.bias, static_cast<float>(config_.layer_norm_eps));
  return x;
}

ClipVit::Features ClipVit::forward(std::span<const float> chw) const {
  const std::size_t side = static_cast<std::size_t>(config_.image_size);
  CP_CHECK(chw.size() == 3 * side * side, "ClipVit: the input is not 3 x S x S");
  std::vector<float> x = normed(embed(chw), pre_norm_), mixed(x.size());
  for (const Layer& layer : layers_) {
    const std::vector<float> h = normed(x, layer.attention_norm);
    full_attention(layer.q(h), layer.k(h), layer.v(h), config_.num_attention_heads, config_.head_dim(), mixed);
    add(layer.out(mixed), x);
    std::vector<float> m = layer.fc1(normed(x, layer.mlp_norm));
    if (config_.quick_gelu)
      quick_gelu(m);
    else
      gelu(m);
    add(layer.fc2(m), x);
  }
  const auto patches_begin = x.begin() + config_.hidden_size;
  return {projection_(normed({x.begin(), patches_begin}, post_norm_)), {patches_begin, x.end()}};
}

}  // namespace cp
