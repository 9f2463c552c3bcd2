#include "runtime/pair_fusion.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/norm.h"

namespace cp {

namespace {

constexpr float kNormEps = 1e-5f, kRmsEps = 1e-6f;
constexpr int kFlagHidden = 64;

int mixed_width(const PairFusion::Shape& s) { return s.in * (s.kind == "concat" ? 2 : s.kind == "subtract" ? 1 : 3); }

}  // namespace

Parameters PairFusion::parameters(const Shape& s, double embedding_scale) {
  Parameters p;
  p.norm("fusion.norm", s.in);
  p.linear("fusion.mix", mixed_width(s), s.width);
  p.linear("projector.0", s.width, s.hidden);
  p.linear("projector.2", s.hidden, s.hidden);
  p.constant("projector.out_norm.weight", {s.hidden}, 1);
  p.constant("projector.scale", {}, embedding_scale);
  if (!s.has_map()) return p;
  p.normal("fusion.position", {s.rows(), s.width}, 0.02);
  p.linear("change_map", s.width, kSubcells * kSubcells);
  p.linear("change_flag.0", 2 * s.width + 2, kFlagHidden);
  p.linear("change_flag.2", kFlagHidden, 1);
  return p;
}

PairFusion PairFusion::load(const SafeTensors& file, const Shape& s) {
  parameters(s).expectation().check(file);
  PairFusion f;
  f.shape_ = s;
  f.norm_ = load_norm(file, "fusion.norm", s.in);
  f.mix_ = load_linear(file, "fusion.mix", s.width, mixed_width(s));
  f.projector0_ = load_linear(file, "projector.0", s.hidden, s.width);
  f.projector2_ = load_linear(file, "projector.2", s.hidden, s.hidden);
  f.out_norm_ = load_floats(file, "projector.out_norm.weight", {s.hidden});
  f.scale_ = load_floats(file, "projector.scale", {})[0];
  if (!s.has_map()) return f;
  f.position_ = load_floats(file, "fusion.position", {s.rows(), s.width});
  f.change_map_ = load_linear(file, "change_map", kSubcells * kSubcells, s.width);
  f.flag0_ = load_linear(file, "change_flag.0", kFlagHidden, 2 * s.width + 2);
  f.flag2_ = load_linear(file, "change_flag.2", 1, kFlagHidden);
  return f;
}

PairFusion::Output PairFusion::forward(std::span<const float> before, std::span<const float> after) const {
  const std::size_t in = static_cast<std::size_t>(shape_.in), rows = static_cast<std::size_t>(shape_.rows());
  CP_CHECK(before.size() == rows * in && after.size() == before.size(), "PairFusion: features are not rows x in");
  std::vector<float> a(before.begin(), before.end()), b(after.begin(), after.end());
  layer_norm(a, shape_.in, norm_.weight, norm_.bias, kNormEps);
  layer_norm(b, shape_.in, norm_.weight, norm_.bias, kNormEps);

  std::vector<float> mixed;  // concat: a, b; subtract: b - a; patch: a, b, b - a
  mixed.reserve(rows * static_cast<std::size_t>(mixed_width(shape_)));
  for (std::size_t r = 0; r < rows; ++r) {
    const auto row = [&](const std::vector<float>& x) { return std::span(x).subspan(r * in, in); };
    if (shape_.kind != "subtract") {
      mixed.insert(mixed.end(), row(a).begin(), row(a).end());
      mixed.insert(mixed.end(), row(b).begin(), row(b).end());
    }
    if (shape_.kind != "concat")
      for (std::size_t i = 0; i < in; ++i) mixed.push_back(row(b)[i] - row(a)[i]);
  }
  std::vector<float> fused = mix_(mixed);
  gelu(fused);
  Output out;
  if (shape_.has_map()) {
    axpy(1.f, position_.data(), fused.data(), static_cast<int>(fused.size()));
    predict_map(fused, out);
  }
  std::vector<float> hidden = projector0_(fused);
  gelu(hidden);
  out.embeddings = projector2_(hidden);
  rms_norm(out.embeddings, shape_.hidden, out_norm_, kRmsEps);
  for (float& v : out.embeddings) v *= scale_;
  return out;
}

void PairFusion::predict_map(const std::vector<float>& fused, Output& out) const {
  // pixel_shuffle: place 8 i + j of patch (r, c) is the fine map's (8 r + i, 8 c + j).
  const std::vector<float> places = change_map_(fused);  // (G G 64)
  const int grid = shape_.grid, fine_side = grid * kSubcells;
  std::vector<float> fine(static_cast<std::size_t>(fine_side) * static_cast<std::size_t>(fine_side));
  for (int y = 0; y < fine_side; ++y)
    for (int x = 0; x < fine_side; ++x)
      fine[static_cast<std::size_t>(y * fine_side + x)] = places[static_cast<std::size_t>(
          (y / kSubcells * grid + x / kSubcells) * kSubcells * kSubcells + y % kSubcells * kSubcells + x % kSubcells)];
  out.map.resize(static_cast<std::size_t>(kMapSide) * kMapSide);
  adaptive_average(fine, fine_side, fine_side, 1, kMapSide, kMapSide, out.map);

  const std::size_t width = static_cast<std::size_t>(shape_.width);
  const Pooled pooled = pool_rows(fused, width);
  double share = 0;
  for (const float h : out.map) share += sigmoid(h);
  std::vector<float> summary = pooled.largest;
  summary.insert(summary.end(), pooled.mean.begin(), pooled.mean.end());
  summary.push_back(*std::max_element(out.map.begin(), out.map.end()));
  summary.push_back(static_cast<float>(share / static_cast<double>(out.map.size())));
  std::vector<float> half = flag0_(summary);
  gelu(half);
  out.flag = flag2_(half)[0];
}

}  // namespace cp
