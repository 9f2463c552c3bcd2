#include "runtime/efficientnet_lite.h"

#include <cmath>
#include <memory>
#include <utility>

#include "core/json.h"
#include "runtime/layers.h"

namespace cp {

namespace {

constexpr float kBatchNormEps = 1e-3f;
constexpr int kStemChannels = 32;

struct Stage {
  int repeat, kernel, stride, expansion, in, out;
};
constexpr Stage kStages[] = {{1, 3, 1, 1, 32, 16},  {2, 3, 2, 6, 16, 24},   {2, 5, 2, 6, 24, 40},  {3, 3, 2, 6, 40, 80},
                             {3, 5, 1, 6, 80, 112}, {4, 5, 2, 6, 112, 192}, {1, 3, 1, 6, 192, 320}};
constexpr int kStride8Block = 4, kStride16Block = 10, kStride32Block = 15;  // after these the features are taken

// One block as it stands in the table, numbered through.
struct Plan {
  std::string prefix;  // "_blocks.3."
  int kernel, stride, expansion, in, out;
};

std::vector<Plan> block_plans() {
  std::vector<Plan> plans;
  for (const Stage& s : kStages)
    for (int i = 0; i < s.repeat; ++i) {
      const int in = i == 0 ? s.in : s.out;
      const std::string prefix = "_blocks." + std::to_string(plans.size()) + ".";
      plans.push_back({prefix, s.kernel, i == 0 ? s.stride : 1, s.expansion, in, s.out});
    }
  return plans;
}

// Everything the file must hold, so that one message lists all that is wrong with it.
void check_names(const SafeTensors& file) {
  TensorExpectation expected;
  const auto norm = [&](const std::string& name, int c) {
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) expected.want(name + part, {c});
  };
  expected.want("_conv_stem.weight", {kStemChannels, 3, 3, 3});
  norm("_bn0", kStemChannels);
  for (const Plan& p : block_plans()) {
    const int middle = p.in * p.expansion;
    if (p.expansion > 1) {
      expected.want(p.prefix + "_expand_conv.weight", {middle, p.in, 1, 1});
      norm(p.prefix + "_bn0", middle);
    }
    expected.want(p.prefix + "_depthwise_conv.weight", {middle, 1, p.kernel, p.kernel});
    norm(p.prefix + "_bn1", middle);
    expected.want(p.prefix + "_project_conv.weight", {p.out, middle, 1, 1});
    norm(p.prefix + "_bn2", p.out);
  }
  expected.check(file);
}

struct Folded {
  std::vector<float> weight, bias;
};

// w' = w g / sqrt(var + eps), b' = beta - mean g / sqrt(var + eps); weight (out ...), norm over out.
Folded fold(const SafeTensors& file, const std::string& conv, const std::string& norm, int out, int in, int kernel) {
  Folded f{load_floats(file, conv + ".weight", {out, in, kernel, kernel}), load_floats(file, norm + ".bias", {out})};
  const std::vector<float> gain = load_floats(file, norm + ".weight", {out});
  const std::vector<float> mean = load_floats(file, norm + ".running_mean", {out});
  const std::vector<float> variance = load_floats(file, norm + ".running_var", {out});
  const std::size_t taps = f.weight.size() / static_cast<std::size_t>(out);
  for (std::size_t o = 0; o < static_cast<std::size_t>(out); ++o) {
    const float scale = gain[o] / std::sqrt(variance[o] + kBatchNormEps);
    for (std::size_t i = 0; i < taps; ++i) f.weight[o * taps + i] *= scale;
    f.bias[o] -= mean[o] * scale;
  }
  return f;
}

// Activations of one layer, channels last. Left uninitialised: every layer writes all of its output.
struct Pixels {
  std::unique_ptr<float[]> values;
  int side = 0, channels = 0;

  Pixels(int s, int c) : values(new float[static_cast<std::size_t>(s * s * c)]), side(s), channels(c) {}
  std::span<float> all() { return {values.get(), static_cast<std::size_t>(side * side * channels)}; }
};

std::vector<float> channels_first(Pixels& x) {
  std::vector<float> out(x.all().size());
  transpose(x.all(), x.side * x.side, x.channels, out);
  return out;
}

}  // namespace

EfficientNetLite EfficientNetLite::load(const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  const Json config = read_json(folder / "config.json", ErrorKind::model, 1 << 20);
  if (json_string(config, "model_type", where, ErrorKind::model) != "efficientnet_lite" ||
      json_string(config, "variant", where, ErrorKind::model) != "lite0")
    throw UserError(ErrorKind::model, where, "wanted model_type efficientnet_lite, variant lite0",
                    "Use the vision folder of models/nano, or one that tools/convert_efficientnet.py wrote.");

  const SafeTensors file = SafeTensors::open(folder / "model.safetensors");
  check_names(file);
  EfficientNetLite net;
  const auto pointwise = [&](const std::string& conv, const std::string& norm, int out, int in, int kernel) {
    Folded f = fold(file, conv, norm, out, in, kernel);
    return Pointwise{pack_conv(f.weight, out, in, kernel), std::move(f.bias)};
  };
  net.stem_ = pointwise("_conv_stem", "_bn0", kStemChannels, 3, 3);
  for (const Plan& p : block_plans()) {
    const int middle = p.in * p.expansion, taps = p.kernel * p.kernel;
    Block b{p.kernel, p.stride, p.in, p.out, {}, {}, {}, {}};
    if (p.expansion > 1) b.expand = pointwise(p.prefix + "_expand_conv", p.prefix + "_bn0", middle, p.in, 1);
    Folded f = fold(file, p.prefix + "_depthwise_conv", p.prefix + "_bn1", middle, 1, p.kernel);
    b.depthwise_weight.resize(f.weight.size());
    transpose(f.weight, middle, taps, b.depthwise_weight);
    b.depthwise_bias = std::move(f.bias);
    b.project = pointwise(p.prefix + "_project_conv", p.prefix + "_bn2", p.out, middle, 1);
    net.blocks_.push_back(std::move(b));
  }
  return net;
}

EfficientNetLite::Features EfficientNetLite::forward(std::span<const float> chw) const {
  CP_CHECK(chw.size() == 3u * kSize * kSize, "EfficientNetLite: the input is not 3 x 256 x 256");
  Pixels image(kSize, 3);
  transpose(chw, 3, kSize * kSize, image.all());
  const Window stem = same_window(kSize, kSize, 3, 2);
  Pixels x(stem.out_height, kStemChannels);
  conv2d(image.all(), kSize, kSize, 3, stem, stem_.weight, stem_.bias, x.all(), Activation::relu6);

  Features features;
  for (int i = 0; i < static_cast<int>(blocks_.size()); ++i) {
    const Block& b = blocks_[static_cast<std::size_t>(i)];
    Pixels* input = &x;
    Pixels expanded(b.expand.bias.empty() ? 0 : x.side, static_cast<int>(b.expand.bias.size()));
    if (!b.expand.bias.empty()) {
      gemm(x.all(), x.side * x.side, b.expand.weight, b.expand.bias, expanded.all(), Activation::relu6);
      input = &expanded;
    }
    const Window window = same_window(x.side, x.side, b.kernel, b.stride);
    Pixels filtered(window.out_height, input->channels);
    depthwise(input->all(), input->side, input->side, input->channels, window, b.depthwise_weight, b.depthwise_bias,
              filtered.all(), Activation::relu6);
    Pixels y(filtered.side, b.out);
    gemm(filtered.all(), y.side * y.side, b.project.weight, b.project.bias, y.all());
    if (b.stride == 1 && b.in == b.out) axpy(1.f, x.values.get(), y.values.get(), static_cast<int>(y.all().size()));
    x = std::move(y);
    if (i == kStride8Block) features.s8 = channels_first(x);
    if (i == kStride16Block) features.s16 = channels_first(x);
    if (i == kStride32Block) features.s32 = channels_first(x);
  }
  return features;
}

}  // namespace cp
