#include "runtime/fusion.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "kernels/norm.h"

namespace cp {

namespace {

constexpr int kStrides[3] = {32, 16, 8};
constexpr int kChannels[3] = {320, 112, 40};
constexpr int kSides[3] = {8, 16, 32};
constexpr float kNormEps = 1e-5f;
constexpr float kRmsEps = 1e-6f;
constexpr int kCellMap = 8;  // the map, averaged to 32 x 32, in cells of 8 x 8 for the 4 x 4 grid
constexpr int kCellWidth = 7 * Fusion::kWidth + kCellMap * kCellMap;
constexpr int kConceptHidden = 128;

// One stride's features (C P) as (P C).
std::vector<float> channels_last(const EfficientNetLite::Features& f, int index) {
  const std::vector<float>& chw = index == 0 ? f.s32 : index == 1 ? f.s16 : f.s8;
  std::vector<float> out(chw.size());
  transpose(chw, kChannels[index], kSides[index] * kSides[index], out);
  return out;
}

// (P 64), (P 64) -> (P 192): a, b, |a - b| of every pixel.
std::vector<float> pair_and_difference(const std::vector<float>& a, const std::vector<float>& b) {
  constexpr std::size_t w = Fusion::kWidth;
  std::vector<float> out(3 * a.size());
  for (std::size_t p = 0; p < a.size() / w; ++p)
    for (std::size_t c = 0; c < w; ++c) {
      const float before = a[p * w + c], after = b[p * w + c];
      out[p * 3 * w + c] = before;
      out[p * 3 * w + w + c] = after;
      out[p * 3 * w + 2 * w + c] = std::abs(before - after);
    }
  return out;
}

std::vector<float> joined(std::initializer_list<std::span<const float>> parts) {
  std::vector<float> out;
  for (const std::span<const float> part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

void check_names(const SafeTensors& file, int hidden, int concepts) {
  TensorExpectation expected;
  const auto layer = [&](const std::string& prefix, std::vector<std::int64_t> shape) {
    expected.want(prefix + ".bias", {shape[0]});
    expected.want(prefix + ".weight", std::move(shape));
  };
  constexpr int w = Fusion::kWidth;
  for (int s = 0; s < 3; ++s) {
    const std::string name = std::to_string(kStrides[s]);
    layer("fusion.in." + name, {w, kChannels[s], 1, 1});
    layer("fusion.norm." + name, {w});
    layer("fusion.mix." + name, {w, 3 * w, 1, 1});
    if (kStrides[s] == 8) continue;
    layer("projector.in." + name, {w, kChannels[s], 1, 1});
    layer("projector.norm." + name, {w});
  }
  layer("fusion.conv1", {w, w, 3, 3});
  layer("fusion.conv2", {w, w, 3, 3});
  layer("change_map", {4, w, 1, 1});
  layer("change_flag.0", {w, 2 * w + 2});
  layer("change_flag.2", {1, w});
  layer("projector.mix.0", {hidden, kCellWidth});
  layer("projector.mix.2", {hidden, hidden});
  layer("projector.concept.0", {kConceptHidden, 2 * hidden});
  layer("projector.concept.2", {concepts, kConceptHidden});
  layer("projector.concept_in", {hidden, concepts});
  expected.want("projector.position", {Fusion::kGrid * Fusion::kGrid, hidden});
  expected.want("projector.out_norm.weight", {hidden});
  expected.want("projector.scale", {});
  expected.want("projector.flag.weight", {2, hidden});
  expected.check(file);
}

}  // namespace

std::vector<float> Fusion::Input::operator()(std::span<const float> features_last) const {
  std::vector<float> x = conv(features_last);
  group_norm1(x, kWidth, norm.weight, norm.bias, kNormEps);
  return x;
}

Fusion Fusion::load(const SafeTensors& file, int hidden, int concepts) {
  check_names(file, hidden, concepts);
  Fusion f;
  f.hidden_ = hidden;
  const auto input = [&](const std::string& part, std::size_t s) {
    const std::string name = std::to_string(kStrides[s]);
    return Input{load_conv(file, part + ".in." + name, kWidth, kChannels[s], 1),
                 load_norm(file, part + ".norm." + name, kWidth)};
  };
  for (std::size_t s = 0; s < 3; ++s) {
    f.in_[s] = input("fusion", s);
    f.mix_[s] = load_conv(file, "fusion.mix." + std::to_string(kStrides[s]), kWidth, 3 * kWidth, 1);
    if (s < 2) f.token_in_[s] = input("projector", s);
  }
  f.conv_ = {load_conv(file, "fusion.conv1", kWidth, kWidth, 3), load_conv(file, "fusion.conv2", kWidth, kWidth, 3)};
  f.change_map_ = load_conv(file, "change_map", 4, kWidth, 1);
  f.flag0_ = load_linear(file, "change_flag.0", kWidth, 2 * kWidth + 2);
  f.flag2_ = load_linear(file, "change_flag.2", 1, kWidth);
  f.token_mix0_ = load_linear(file, "projector.mix.0", hidden, kCellWidth);
  f.token_mix2_ = load_linear(file, "projector.mix.2", hidden, hidden);
  f.concept0_ = load_linear(file, "projector.concept.0", kConceptHidden, 2 * hidden);
  f.concept2_ = load_linear(file, "projector.concept.2", concepts, kConceptHidden);
  f.concept_in_ = load_linear(file, "projector.concept_in", hidden, concepts);
  f.position_ = load_floats(file, "projector.position", {kGrid * kGrid, hidden});
  f.out_norm_ = load_floats(file, "projector.out_norm.weight", {hidden});
  f.scale_ = load_floats(file, "projector.scale", {})[0];
  f.flag_rows_ = load_floats(file, "projector.flag.weight", {2, hidden});
  return f;
}

Fusion::Output Fusion::forward(const EfficientNetLite::Features& before,
                               const EfficientNetLite::Features& after) const {
  Output out;
  std::vector<float>& y = out.fused;
  for (int s = 0; s < 3; ++s) {  // top-down: stride 32, 16, 8
    const Input& in = in_[static_cast<std::size_t>(s)];
    const std::vector<float> a = in(channels_last(before, s)), b = in(channels_last(after, s));
    std::vector<float> z = mix_[static_cast<std::size_t>(s)](pair_and_difference(a, b));
    gelu(z);
    if (s > 0) {
      std::vector<float> coarse(z.size());
      upsample2x(y, kSides[s - 1], kSides[s - 1], kWidth, coarse);
      axpy(1.f, coarse.data(), z.data(), static_cast<int>(z.size()));
    }
    y = std::move(z);
  }
  const Window window{3, 1, 1, kSide, kSide};  // zero padding 1
  for (const Linear& conv : conv_) {
    std::vector<float> z(y.size());
    conv2d(y, kSide, kSide, kWidth, window, conv.weight, conv.bias, z);
    gelu(z);
    axpy(1.f, z.data(), y.data(), static_cast<int>(y.size()));
  }

  // pixel_shuffle: channel 2 i + j of cell (r, c) is the map's (2 r + i, 2 c + j).
  const std::vector<float> quarters = change_map_(y);  // (32 32 4)
  out.map.resize(static_cast<std::size_t>(kMapSide) * kMapSide);
  double share = 0;
  for (int r = 0; r < kMapSide; ++r)
    for (int c = 0; c < kMapSide; ++c) {
      const float h = quarters[static_cast<std::size_t>((r / 2 * kSide + c / 2) * 4 + r % 2 * 2 + c % 2)];
      out.map[static_cast<std::size_t>(r * kMapSide + c)] = h;
      share += sigmoid(h);
    }
  const Pooled pooled = pool_rows(y, kWidth);
  const float of_map[2] = {*std::max_element(out.map.begin(), out.map.end()),
                           static_cast<float>(share / static_cast<double>(out.map.size()))};
  std::vector<float> hidden = flag0_(joined({pooled.largest, pooled.mean, of_map}));
  gelu(hidden);
  out.flag = flag2_(hidden)[0];
  return out;
}

Fusion::Visual Fusion::project(const EfficientNetLite::Features& before, const EfficientNetLite::Features& after,
                               const Output& fusion) const {
  constexpr std::size_t kCells = kGrid * kGrid, w = kWidth;
  std::vector<float> cells(kCells * kCellWidth);
  const auto put = [&](std::span<const float> x, int side, std::size_t width, std::size_t at) {
    std::vector<float> pooled(kCells * width);
    adaptive_average(x, side, side, static_cast<int>(width), kGrid, kGrid, pooled);
    for (std::size_t n = 0; n < kCells; ++n)
      std::copy_n(pooled.data() + n * width, width, cells.data() + n * kCellWidth + at);
  };
  for (int s = 0; s < 2; ++s) {
    const Input& in = token_in_[static_cast<std::size_t>(s)];
    const std::vector<float> a = in(channels_last(before, s)), b = in(channels_last(after, s));
    put(pair_and_difference(a, b), kSides[s], 3 * w, static_cast<std::size_t>(s) * 3 * w);
  }
  put(fusion.fused, kSide, w, 6 * w);
  // pixel_unshuffle by 8 of the probabilities averaged 2 x 2: cell by cell, row-major inside.
  std::vector<float> probability = fusion.map, coarse(static_cast<std::size_t>(kSide) * kSide);
  for (float& v : probability) v = sigmoid(v);
  adaptive_average(probability, kMapSide, kMapSide, 1, kSide, kSide, coarse);
  for (int r = 0; r < kSide; ++r)
    for (int c = 0; c < kSide; ++c) {
      const std::size_t cell = static_cast<std::size_t>(r / kCellMap * kGrid + c / kCellMap);
      const std::size_t inside = static_cast<std::size_t>(r % kCellMap * kCellMap + c % kCellMap);
      cells[cell * kCellWidth + 7 * w + inside] = coarse[static_cast<std::size_t>(r * kSide + c)];
    }

  std::vector<float> hidden = token_mix0_(cells);
  gelu(hidden);
  Visual visual{token_mix2_(hidden), {}};
  const Pooled pooled = pool_rows(visual.grid, static_cast<std::size_t>(hidden_));
  std::vector<float> half = concept0_(joined({pooled.largest, pooled.mean}));
  gelu(half);
  visual.concepts = concept2_(half);
  for (float& v : visual.concepts) v = sigmoid(v);

  axpy(1.f, position_.data(), visual.grid.data(), static_cast<int>(visual.grid.size()));
  rms_norm(visual.grid, hidden_, out_norm_, kRmsEps);
  for (float& v : visual.grid) v *= scale_;
  return visual;
}

std::vector<float> Fusion::embeddings(const Visual& visual, bool changed) const {
  const std::size_t d = static_cast<std::size_t>(hidden_);
  const std::span<const float> flag_row = std::span(flag_rows_).subspan(changed ? d : 0, d);
  return joined({visual.grid, flag_row, concept_in_(visual.concepts)});
}

}  // namespace cp
