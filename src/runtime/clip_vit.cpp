#include "runtime/clip_vit.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/attention.h"
#include "kernels/cpu.h"
#include "kernels/norm.h"

namespace cp {

namespace {

constexpr std::size_t kGrain = 16384;  // values that a thread takes at once

void add(const std::vector<float>& x, std::vector<float>& y) {
  thread_pool().run_ranges(y.size(), kGrain, [&](std::size_t from, std::size_t to) {
    axpy(1.f, x.data() + from, y.data() + from, static_cast<int>(to - from));
  });
}

// (3 S S) -> (G G, 3 p p): each patch in the order in which torch keeps a convolution's weight.
void patch_rows(std::span<const float> chw, const ClipConfig& c, float* to) {
  const std::size_t side = static_cast<std::size_t>(c.image_size), patch = static_cast<std::size_t>(c.patch_size);
  const std::size_t grid = static_cast<std::size_t>(c.grid());
  for (std::size_t gy = 0; gy < grid; ++gy)
    for (std::size_t gx = 0; gx < grid; ++gx)
      for (std::size_t channel = 0; channel < 3; ++channel)
        for (std::size_t y = 0; y < patch; ++y)
          to = std::copy_n(chw.data() + (channel * side + gy * patch + y) * side + gx * patch, patch, to);
}

// Packed weights are of another shape, every one of them: say so once.
void check_dense(const SafeTensors& file) {
  for (const auto& [name, view] : file.tensors())
    if (name.find(".quant_state.") != std::string::npos)
      throw UserError(ErrorKind::model, file.where(), "the vision encoder's weights are quantised (\"" + name + "\").",
                      "Take the dense folder: only language models are read in 4 bits.");
}

}  // namespace

VisionPrecision parse_vision_precision(const std::string& name) {
  if (name == "float32") return VisionPrecision::float32;
  if (name == "bfloat16") return VisionPrecision::bfloat16;
  if (name == "fast") return VisionPrecision::fast;
  throw UserError(ErrorKind::usage, "vision-precision", "wanted float32, bfloat16 or fast, found \"" + name + "\".",
                  "");
}

std::vector<float> ClipVit::Dense::operator()(std::span<const float> x) const {
  if (rounded.cols == 0) return full(x);
  const std::size_t in = static_cast<std::size_t>(rounded.rows), rows = x.size() / in;
  std::vector<float> y(rows * static_cast<std::size_t>(rounded.cols));
  gemm_bf16(x, static_cast<int>(rows), rounded, full.bias, y);
  return y;
}

// PREFIX NAME.weight (out in) and .bias (out) of every name, their rows one after the other: one product makes all.
ClipVit::Dense ClipVit::load_dense(const SafeTensors& file, const std::string& prefix,
                                   const std::vector<std::string>& names, int out, int in, bool rounded) {
  std::vector<float> weight, bias;
  for (const std::string& name : names) {
    const std::vector<float> w = load_floats(file, prefix + name + ".weight", {out, in}),
                             b = load_floats(file, prefix + name + ".bias", {out});
    weight.insert(weight.end(), w.begin(), w.end());
    bias.insert(bias.end(), b.begin(), b.end());
  }
  const int rows = out * static_cast<int>(names.size());
  if (rounded) return {{{}, std::move(bias)}, pack_bf16_transposed(weight, rows, in)};
  return {{pack_transposed(weight, rows, in), std::move(bias)}, {}};
}

ClipVit ClipVit::load(const std::filesystem::path& folder, VisionPrecision precision) {
  ClipVit m;
  m.config_ = read_clip_config(folder / "config.json");
  const ClipConfig& c = m.config_;
  const SafeTensors file = SafeTensors::open(folder);
  check_dense(file);
  clip_tensors(c).check(file);
  const bool rounded =
      precision == VisionPrecision::bfloat16 || (precision == VisionPrecision::fast && bf16_dot() != Bf16Dot::widened);
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
                         load_dense(file, p + "self_attn.", {"q_proj", "k_proj", "v_proj"}, width, width, rounded),
                         load_dense(file, p + "self_attn.", {"out_proj"}, width, width, rounded),
                         load_dense(file, p + "mlp.", {"fc1"}, c.intermediate_size, width, rounded),
                         load_dense(file, p + "mlp.", {"fc2"}, width, c.intermediate_size, rounded)});
  }
  return m;
}

// B images (3 S S) -> (B T W): class token, then patches, each plus its position.
std::vector<float> ClipVit::embed(std::span<const std::span<const float>> images) const {
  const std::size_t width = static_cast<std::size_t>(config_.hidden_size);
  const std::size_t cells = static_cast<std::size_t>(config_.grid()) * static_cast<std::size_t>(config_.grid());
  const std::size_t values = static_cast<std::size_t>(patch_embedding_.weight.rows);
  std::vector<float> rows(images.size() * cells * values);
  for (std::size_t i = 0; i < images.size(); ++i) patch_rows(images[i], config_, rows.data() + i * cells * values);
  const std::vector<float> patches = patch_embedding_(rows);
  std::vector<float> x;
  x.reserve(images.size() * (cells + 1) * width);
  for (std::size_t i = 0; i < images.size(); ++i) {
    x.insert(x.end(), class_embedding_.begin(), class_embedding_.end());
    x.insert(x.end(), patches.begin() + static_cast<std::ptrdiff_t>(i * cells * width),
             patches.begin() + static_cast<std::ptrdiff_t>((i + 1) * cells * width));
    axpy(1.f, position_embedding_.data(), x.data() + i * (cells + 1) * width, static_cast<int>((cells + 1) * width));
  }
  return x;
}

std::vector<float> ClipVit::normed(std::vector<float> x, const Norm& norm) const {
  const std::size_t width = static_cast<std::size_t>(config_.hidden_size);
  thread_pool().run_ranges(x.size() / width, 16, [&](std::size_t from, std::size_t to) {
    layer_norm(std::span(x).subspan(from * width, (to - from) * width), config_.hidden_size, norm.weight, norm.bias,
               static_cast<float>(config_.layer_norm_eps));
  });
  return x;
}

void ClipVit::activate(std::span<float> x) const {
  thread_pool().run_ranges(x.size(), kGrain, [&](std::size_t from, std::size_t to) {
    (config_.quick_gelu ? quick_gelu : gelu)(x.subspan(from, to - from));
  });
}

std::vector<ClipVit::Features> ClipVit::forward_all(std::span<const std::span<const float>> images) const {
  const std::size_t side = static_cast<std::size_t>(config_.image_size);
  const std::size_t width = static_cast<std::size_t>(config_.hidden_size);
  for (const std::span<const float> chw : images)
    CP_CHECK(chw.size() == 3 * side * side, "ClipVit: the input is not 3 x S x S");
  std::vector<float> x = normed(embed(images), pre_norm_), mixed(x.size());
  for (const Layer& layer : layers_) {
    const std::vector<float> qkv = layer.qkv(normed(x, layer.attention_norm));
    full_attention({qkv.data(), qkv.data() + width, qkv.data() + 2 * width, 3 * width, static_cast<int>(images.size()),
                    config_.tokens(), config_.num_attention_heads, config_.head_dim()},
                   mixed);
    add(layer.out(mixed), x);
    std::vector<float> m = layer.fc1(normed(x, layer.mlp_norm));
    activate(m);
    add(layer.fc2(m), x);
  }
  std::vector<Features> features;
  const std::size_t each = static_cast<std::size_t>(config_.tokens()) * width;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(i * each);
    const auto patches = begin + config_.hidden_size;
    features.push_back(
        {projection_(normed({begin, patches}, post_norm_)), {patches, begin + static_cast<std::ptrdiff_t>(each)}});
  }
  return features;
}

ClipVit::Features ClipVit::forward(std::span<const float> chw) const { return forward_all({&chw, 1})[0]; }

}  // namespace cp
