#include "learn/fusion_net.h"

namespace cp {
namespace {

constexpr std::int64_t kWidth = 64;
constexpr std::int64_t kGrid = 4;
constexpr std::int64_t kMapCell = 8;  // the map, averaged to 32 x 32, in cells of 8 x 8 for the 4 x 4 grid
constexpr std::int64_t kHalf = 128;   // hidden width of the concept classifier

const at::Tensor& stride(const FeatureBatch& f, const std::string& s) {
  return s == "8" ? f.s8 : s == "16" ? f.s16 : f.s32;
}
std::int64_t channels(const std::string& s) { return s == "8" ? 40 : s == "16" ? 112 : 320; }

}  // namespace

FusionNet::FusionNet(std::uint64_t seed) : params(seed) {
  for (const std::string s : {"8", "16", "32"}) {
    params.add_conv("fusion.in." + s, channels(s), kWidth, 1);
    params.add_norm("fusion.norm." + s, kWidth);
    params.add_conv("fusion.mix." + s, 3 * kWidth, kWidth, 1);
  }
  params.add_conv("fusion.conv1", kWidth, kWidth, 3);
  params.add_conv("fusion.conv2", kWidth, kWidth, 3);
  params.add_conv("change_map", kWidth, 4, 1);
  params.add_linear("change_flag.0", 2 * kWidth + 2, 64);
  params.add_linear("change_flag.2", 64, 1);
}

FusionOut FusionNet::forward(const FeatureBatch& fa, const FeatureBatch& fb, bool training) const {
  at::Tensor y;
  for (const std::string s : {"32", "16", "8"}) {
    const at::Tensor a = params.group_norm(params.conv(stride(fa, s), "fusion.in." + s, 0), "fusion.norm." + s);
    const at::Tensor b = params.group_norm(params.conv(stride(fb, s), "fusion.in." + s, 0), "fusion.norm." + s);
    const at::Tensor pair = at::feature_dropout(at::cat({a, b, (a - b).abs()}, 1), 0.1, training);
    const at::Tensor z = at::gelu(params.conv(pair, "fusion.mix." + s, 0));
    y = y.defined() ? at::upsample_bilinear2d(y, z.sizes().slice(2), false) + z : z;
  }
  y = y + at::gelu(params.conv(y, "fusion.conv1", 1));
  y = y + at::gelu(params.conv(y, "fusion.conv2", 1));                                      // (B 64 32 32)
  const at::Tensor map = at::pixel_shuffle(params.conv(y, "change_map", 0), 2).squeeze(1);  // (B 64 64)
  const at::Tensor flat = map.flatten(1);
  const at::Tensor summary =
      at::cat({y.amax({2, 3}), y.mean({2, 3}), flat.amax(1, true), flat.sigmoid().mean(1, true)}, 1);
  const at::Tensor hidden = at::dropout(at::gelu(params.linear(summary, "change_flag.0")), 0.2, training);
  return {map, params.linear(hidden, "change_flag.2").squeeze(1), y};
}

Projector::Projector(std::uint64_t seed, int hidden, int concepts) : params(seed) {
  for (const std::string s : {"16", "32"}) {
    params.add_conv("projector.in." + s, channels(s), kWidth, 1);
    params.add_norm("projector.norm." + s, kWidth);
  }
  params.add_linear("projector.mix.0", 7 * kWidth + kMapCell * kMapCell, hidden);
  params.add_linear("projector.mix.2", hidden, hidden);
  params.add_normal("projector.position", {kGrid * kGrid, hidden}, 0.02);
  params.add_constant("projector.out_norm.weight", {hidden}, 1.0);
  params.add_constant("projector.scale", {}, 0.3);
  params.add_linear("projector.concept.0", 2 * hidden, kHalf);
  params.add_linear("projector.concept.2", kHalf, concepts);
  params.add_normal("projector.flag.weight", {2, hidden}, 0.02);
  params.add_normal("projector.concept_in.weight", {hidden, concepts}, 0.05);
  params.add_constant("projector.concept_in.bias", {hidden}, 0.0);
}

ProjectorOut Projector::forward(const FeatureBatch& fa, const FeatureBatch& fb, const FusionOut& fusion,
                                bool training) const {
  const auto pool = [](const at::Tensor& x) { return at::adaptive_avg_pool2d(x, {kGrid, kGrid}); };
  std::vector<at::Tensor> parts;
  for (const std::string s : {"32", "16"}) {
    const at::Tensor a = params.group_norm(params.conv(stride(fa, s), "projector.in." + s, 0), "projector.norm." + s);
    const at::Tensor b = params.group_norm(params.conv(stride(fb, s), "projector.in." + s, 0), "projector.norm." + s);
    for (const at::Tensor& x : {a, b, (a - b).abs()}) parts.push_back(pool(x));
  }
  parts.push_back(pool(fusion.fused));
  const at::Tensor coarse = at::avg_pool2d(fusion.map.sigmoid().unsqueeze(1), {2, 2});
  parts.push_back(at::pixel_unshuffle(coarse, kMapCell));                 // (B 64 4 4)
  const at::Tensor cells = at::cat(parts, 1).flatten(2).transpose(1, 2);  // (B 16 512)
  const at::Tensor hidden = at::gelu(params.linear(at::dropout(cells, 0.2, training), "projector.mix.0"));
  const at::Tensor t = params.linear(at::dropout(hidden, 0.2, training), "projector.mix.2");  // (B 16 D)
  const at::Tensor pooled = at::cat({t.amax(1), t.mean(1)}, 1);
  const at::Tensor half = at::dropout(at::gelu(params.linear(pooled, "projector.concept.0")), 0.3, training);
  const at::Tensor grid =
      params.rms_norm(t + params["projector.position"], "projector.out_norm.weight", 1e-6) * params["projector.scale"];
  return {grid, params.linear(half, "projector.concept.2")};
}

at::Tensor Projector::text_embeddings(const at::Tensor& changed, const at::Tensor& probabilities) const {
  const at::Tensor flag = at::embedding(params["projector.flag.weight"], changed).unsqueeze(1);
  return at::cat({flag, params.linear(probabilities, "projector.concept_in").unsqueeze(1)}, 1);
}

at::Tensor Projector::embeddings(const at::Tensor& grid, const at::Tensor& changed,
                                 const at::Tensor& probabilities) const {
  return at::cat({grid, text_embeddings(changed, probabilities)}, 1);
}

}  // namespace cp
