#include "runtime/evidence.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/norm.h"
#include "runtime/change_list.h"
#include "runtime/smooth.h"

namespace cp {
namespace {

constexpr std::size_t kCells = static_cast<std::size_t>(Evidence::kWork) * Evidence::kWork;
constexpr std::size_t kMapCells = static_cast<std::size_t>(Evidence::kSide) * Evidence::kSide;
constexpr double kBump = 2;  // cells

int side_of(std::span<const float> map) {
  const int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(map.size()))));
  CP_CHECK(!map.empty() && map.size() == static_cast<std::size_t>(side) * static_cast<std::size_t>(side),
           "evidence: the map is not square");
  return side;
}

// y (h w C) by bilinear interpolation of x (g g C), half-pixel centres (torch interpolate, align_corners=False).
std::vector<float> resize(std::span<const float> x, int from, int to, std::size_t channels) {
  std::vector<float> y(static_cast<std::size_t>(to) * static_cast<std::size_t>(to) * channels);
  const auto source = [&](int i) { return std::max(0.0, (i + 0.5) * from / to - 0.5); };
  for (int row = 0; row < to; ++row)
    for (int column = 0; column < to; ++column) {
      const double r = source(row), c = source(column);
      const int r0 = static_cast<int>(r), c0 = static_cast<int>(c);
      const int r1 = std::min(r0 + 1, from - 1), c1 = std::min(c0 + 1, from - 1);
      const auto fr = static_cast<float>(r - r0), fc = static_cast<float>(c - c0);
      const auto at = [&](int i, int j) { return x.data() + static_cast<std::size_t>(i * from + j) * channels; };
      float* out = y.data() + static_cast<std::size_t>(row * to + column) * channels;
      for (std::size_t k = 0; k < channels; ++k)
        out[k] = (1 - fr) * ((1 - fc) * at(r0, c0)[k] + fc * at(r0, c1)[k]) +
                 fr * ((1 - fc) * at(r1, c0)[k] + fc * at(r1, c1)[k]);
    }
  return y;
}

// conv3x3 with holes (zero padding = dilation) of x (S S C): the pixels whose rows and columns are equal modulo the
// dilation see only one another, so each such subset is an ordinary convolution.
std::vector<float> dilated(const Linear& conv, const std::vector<float>& x, int dilation) {
  constexpr int side = Evidence::kWork;
  constexpr std::size_t width = Evidence::kWidth;
  const int part = side / dilation;
  const Window window{3, 1, 1, part, part};
  std::vector<float> y(x.size()), in(static_cast<std::size_t>(part) * static_cast<std::size_t>(part) * width), out(in);
  for (int top = 0; top < dilation; ++top)
    for (int left = 0; left < dilation; ++left) {
      const auto pixel = [&](int i) {
        return static_cast<std::size_t>((top + i / part * dilation) * side + left + i % part * dilation) * width;
      };
      for (int i = 0; i < part * part; ++i)
        std::copy_n(x.begin() + static_cast<std::ptrdiff_t>(pixel(i)), width,
                    in.begin() + static_cast<std::ptrdiff_t>(i) * static_cast<std::ptrdiff_t>(width));
      conv2d(in, part, part, static_cast<int>(width), window, conv.weight, conv.bias, out);
      for (int i = 0; i < part * part; ++i)
        std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(i) * static_cast<std::ptrdiff_t>(width), width,
                    y.begin() + static_cast<std::ptrdiff_t>(pixel(i)));
    }
  return y;
}

// Appends the columns of b (R w) to those of a (R v).
std::vector<float> beside(const std::vector<float>& a, const std::vector<float>& b, std::size_t rows) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  std::vector<float> out;
  out.reserve(a.size() + b.size());
  const std::size_t v = a.size() / rows, w = b.size() / rows;
  for (std::size_t r = 0; r < rows; ++r) {
    out.insert(out.end(), a.begin() + static_cast<std::ptrdiff_t>(r * v),
               a.begin() + static_cast<std::ptrdiff_t>((r + 1) * v));
    out.insert(out.end(), b.begin() + static_cast<std::ptrdiff_t>(r * w),
               b.begin() + static_cast<std::ptrdiff_t>((r + 1) * w));
  }
  return out;
}

}  // namespace

std::vector<float> component_planes(std::span<const float> map) {
  const int side = side_of(map);
  const std::size_t cells = map.size();
  const std::vector<double> q = probabilities(map);
  const std::vector<std::vector<int>> components = change_components(q, side);
  std::vector<double> mass;
  for (const std::vector<int>& component : components) {
    double sum = 0;
    for (const int cell : component) sum += q[static_cast<std::size_t>(cell)];
    mass.push_back(sum);
  }
  const double most = *std::max_element(mass.begin(), mass.end());  // the cell of the largest q is in one of them
  std::vector<float> planes(3 * cells);
  for (std::size_t j = 0; j < components.size(); ++j) {
    int top = side, bottom = 0, left = side, right = 0;
    const auto share = static_cast<float>(mass[j] / most);
    for (const int cell : components[j]) {
      planes[static_cast<std::size_t>(cell)] = share;
      planes[2 * cells + static_cast<std::size_t>(cell)] = static_cast<float>(std::log1p(mass[j] / 4) / 5);
      top = std::min(top, cell / side), bottom = std::max(bottom, cell / side);
      left = std::min(left, cell % side), right = std::max(right, cell % side);
    }
    const double row = (top + bottom) / 2.0, column = (left + right) / 2.0;
    for (int cell = 0; cell < side * side; ++cell) {
      const double dy = cell / side - row, dx = cell % side - column;
      float& bump = planes[cells + static_cast<std::size_t>(cell)];
      bump = std::max(bump, share * static_cast<float>(std::exp(-(dx * dx + dy * dy) / (2 * kBump * kBump))));
    }
  }
  return planes;
}

void Evidence::add_parameters(Parameters& p, const Shape& shape) {
  if (shape.sources != "hidden" && shape.sources != "map" && shape.sources != "hidden+map")
    throw UserError(ErrorKind::model, "head.evidence",
                    "wanted hidden, map or hidden+map, found \"" + shape.sources + "\"", "");
  if (shape.reads_hidden()) {
    if (shape.grid < 2)
      throw UserError(ErrorKind::model, "head.condition",
                      "\"visual_grid\" wants a grid of visual positions, the fusion has one position",
                      "Choose another condition, or the fusion \"patch\".");
    p.norm("evidence.norm", shape.hidden);
    if (shape.shuffles())
      p.linear("evidence.shuffle", shape.hidden, kShuffle * (kWork / shape.grid) * (kWork / shape.grid));
    p.linear("evidence.lift", shape.hidden, kLift);
    p.linear("evidence.gate", shape.hidden, kLift);
    p.linear("evidence.last", shape.hidden, kGlobal);
  }
  p.conv("evidence.in", shape.channels(), kWidth, 1);
  p.linear("evidence.global", 2 * kWidth, kGlobal);
  p.constant("evidence.film.weight", {2 * kWidth, kGlobal}, 0);
  p.constant("evidence.film.bias", {2 * kWidth}, 0);
  for (int i = 0; i < 4; ++i) p.conv("evidence.conv." + std::to_string(i), kWidth, kWidth, 3);
  p.conv("evidence.out", kWidth, 4, 1);
  p.linear("evidence.action", kGlobal, 1);
  if (shape.reads_map()) {
    p.constant("evidence.map_scale", {}, 0.7);
    p.constant("evidence.flag_scale", {}, 1);
  }
  p.constant("evidence.log_spread", {}, std::log(0.05));
  p.constant("evidence.log_action_spread", {}, std::log(0.2));
}

Evidence Evidence::load(const SafeTensors& file, const Shape& shape) {
  Evidence e;
  e.shape_ = shape;
  const int d = shape.hidden;
  const auto scalar = [&](const char* name) { return load_floats(file, name, {})[0]; };
  if (shape.reads_hidden()) {
    e.norm_ = load_norm(file, "evidence.norm", d);
    if (shape.shuffles())
      e.shuffle_ = load_linear(file, "evidence.shuffle", kShuffle * (kWork / shape.grid) * (kWork / shape.grid), d);
    e.lift_ = load_linear(file, "evidence.lift", kLift, d);
    e.gate_ = load_linear(file, "evidence.gate", kLift, d);
    e.last_ = load_linear(file, "evidence.last", kGlobal, d);
  }
  e.in_ = load_conv(file, "evidence.in", kWidth, shape.channels(), 1);
  e.global_ = load_linear(file, "evidence.global", kGlobal, 2 * kWidth);
  e.film_ = load_linear(file, "evidence.film", 2 * kWidth, kGlobal);
  for (int i = 0; i < 4; ++i) e.convs_[i] = load_conv(file, "evidence.conv." + std::to_string(i), kWidth, kWidth, 3);
  e.out_ = load_conv(file, "evidence.out", 4, kWidth, 1);
  e.action_ = load_linear(file, "evidence.action", 1, kGlobal);
  if (shape.reads_map()) {
    e.map_scale_ = scalar("evidence.map_scale");
    e.flag_scale_ = scalar("evidence.flag_scale");
  }
  e.log_spread_ = scalar("evidence.log_spread");
  e.log_action_spread_ = scalar("evidence.log_action_spread");
  return e;
}

// Five planes of 64 x 64, each as four channels of 32 x 32 (pixel_unshuffle): probability, logit / 6, components.
std::vector<float> Evidence::map_channels(std::span<const float> map) const {
  std::vector<float> planes(2 * kMapCells);
  for (std::size_t i = 0; i < kMapCells; ++i) {
    planes[i] = sigmoid(map[i]);
    planes[kMapCells + i] = map[i] / 6;
  }
  const std::vector<float> parts = component_planes(map);
  planes.insert(planes.end(), parts.begin(), parts.end());
  std::vector<float> out(kCells * 20);
  for (std::size_t plane = 0; plane < 5; ++plane)
    for (std::size_t cell = 0; cell < kMapCells; ++cell) {
      const std::size_t row = cell / kSide, column = cell % kSide;
      out[(row / 2 * kWork + column / 2) * 20 + plane * 4 + row % 2 * 2 + column % 2] =
          planes[plane * kMapCells + cell];
    }
  return out;
}

// Each position's own piece of the work grid (pixel_shuffle), then channels that the prompt's end lets through.
std::vector<float> Evidence::hidden_channels(std::span<const float> grid, std::span<const float> last) const {
  std::vector<float> lifted = lift_(grid), gate = gate_(last), pieces;
  for (std::size_t i = 0; i < lifted.size(); ++i) lifted[i] *= std::tanh(gate[i % kLift]);
  if (shape_.shuffles()) {
    const std::vector<float> wide = shuffle_(grid);  // (G G, 8 p p), p = 32 / G
    const int p = kWork / shape_.grid;
    for (int row = 0; row < kWork; ++row)
      for (int column = 0; column < kWork; ++column) {
        const int position = row / p * shape_.grid + column / p, within = row % p * p + column % p;
        for (int c = 0; c < kShuffle; ++c)
          pieces.push_back(wide[static_cast<std::size_t>((position * kShuffle + c) * p * p + within)]);
      }
  }
  return beside(pieces, resize(lifted, shape_.grid, kWork, kLift), kCells);
}

Evidence::Output Evidence::operator()(std::span<const float> grid_in, std::span<const float> last_in,
                                      std::span<const float> map, double flag) const {
  std::vector<float> x, last(last_in.begin(), last_in.end());
  if (shape_.reads_map()) {
    CP_CHECK(map.size() == kMapCells, "Evidence: the change map is not 64 x 64");
    x = map_channels(map);
  }
  if (shape_.reads_hidden()) {
    std::vector<float> grid(grid_in.begin(), grid_in.end());
    layer_norm(grid, shape_.hidden, norm_.weight, norm_.bias, 1e-5f);
    layer_norm(last, shape_.hidden, norm_.weight, norm_.bias, 1e-5f);
    x = beside(x, hidden_channels(grid, last), kCells);
  }
  std::vector<float> f = in_(x);
  gelu(f);
  const Pooled pooled = pool_rows(f, kWidth);
  std::vector<float> summary = pooled.mean;
  summary.insert(summary.end(), pooled.largest.begin(), pooled.largest.end());
  std::vector<float> g = global_(summary);
  if (shape_.reads_hidden()) {
    const std::vector<float> said = last_(last);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += said[i];
  }
  silu(g);
  const std::vector<float> film = film_(g);
  for (std::size_t i = 0; i < f.size(); ++i) f[i] = f[i] * (1 + film[i % kWidth]) + film[kWidth + i % kWidth];
  for (int i = 0; i < 4; ++i) {
    std::vector<float> y = dilated(convs_[i], f, kDilations[i]);
    gelu(y);
    for (std::size_t j = 0; j < f.size(); ++j) f[j] += y[j];
  }
  const std::vector<float> four = out_(f);  // (1024 4)
  Output out;
  out.places.resize(kMapCells);
  for (std::size_t cell = 0; cell < kMapCells; ++cell) {
    const std::size_t row = cell / kSide, column = cell % kSide;
    out.places[cell] = four[(row / 2 * kWork + column / 2) * 4 + row % 2 * 2 + column % 2];
    if (shape_.reads_map()) out.places[cell] += map_scale_ * map[cell];
  }
  out.action_logit = action_(g)[0];
  if (shape_.reads_map()) out.action_logit += flag_scale_ * flag;
  out.spread = std::exp(static_cast<double>(log_spread_));
  out.action_spread = std::exp(static_cast<double>(log_action_spread_));
  return out;
}

}  // namespace cp
