#include "kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/norm_lanes.h"

namespace cp {

namespace {

struct Moments {
  double mean, variance;
};

// Two passes: the difference of large sums would lose digits.
Moments moments(std::span<const float> x) {
  double sum = 0, square = 0;
  for (const float v : x) sum += v;
  const double mean = sum / static_cast<double>(x.size());
  for (const float v : x) square += (v - mean) * (v - mean);
  return {mean, square / static_cast<double>(x.size())};
}

// Null where only the scalar code runs.
const RowKernels* row_kernels() {
  switch (simd()) {
    case Simd::avx512:
      return row_kernels_avx512();
    case Simd::avx2:
      return row_kernels_avx2();
    case Simd::scalar:
      break;
  }
  return nullptr;
}

// x (R D) = (x - mean) / sqrt(variance + eps) weight + bias, mean and variance of all of x
void normalise(std::span<float> x, std::size_t width, float eps, std::span<const float> weight,
               std::span<const float> bias) {
  const RowKernels* fast = row_kernels();
  Moments m{};
  if (fast)
    fast->moments(x.data(), x.size(), m.mean, m.variance);
  else
    m = moments(x);
  const float mean = static_cast<float>(m.mean), scale = static_cast<float>(1.0 / std::sqrt(m.variance + eps));
  if (fast) return fast->affine(x.data(), x.size() / width, width, mean, scale, weight.data(), bias.data());
  for (std::size_t begin = 0; begin < x.size(); begin += width)
    for (std::size_t i = 0; i < width; ++i) x[begin + i] = (x[begin + i] - mean) * scale * weight[i] + bias[i];
}

std::size_t checked_width(std::span<const float> x, int width, std::size_t weights) {
  const std::size_t w = static_cast<std::size_t>(width);
  CP_CHECK(width > 0 && x.size() % w == 0 && weights == w, "norm: x is not made of rows as long as the weight");
  return w;
}

}  // namespace

void group_norm1(std::span<float> x, int channels, std::span<const float> weight, std::span<const float> bias,
                 float eps) {
  const std::size_t width = checked_width(x, channels, weight.size());
  CP_CHECK(bias.size() == width, "group_norm1: the bias is not C long");
  normalise(x, width, eps, weight, bias);
}

void layer_norm(std::span<float> x, int width, std::span<const float> weight, std::span<const float> bias, float eps) {
  const std::size_t w = checked_width(x, width, weight.size());
  CP_CHECK(bias.size() == w, "layer_norm: the bias is not D long");
  for (std::size_t begin = 0; begin < x.size(); begin += w) normalise(x.subspan(begin, w), w, eps, weight, bias);
}

void rms_norm(std::span<float> x, int width, std::span<const float> weight, float eps) {
  const std::size_t w = checked_width(x, width, weight.size());
  const RowKernels* fast = row_kernels();
  for (std::size_t begin = 0; begin < x.size(); begin += w) {
    double square = 0;
    if (fast)
      square = fast->square_sum(x.data() + begin, w);
    else
      for (std::size_t i = 0; i < w; ++i) square += static_cast<double>(x[begin + i]) * x[begin + i];
    const float scale = static_cast<float>(1.0 / std::sqrt(square / static_cast<double>(w) + eps));
    if (fast)
      fast->affine(x.data() + begin, 1, w, 0.f, scale, weight.data(), nullptr);
    else
      for (std::size_t i = 0; i < w; ++i) x[begin + i] = x[begin + i] * scale * weight[i];
  }
}

void softmax(std::span<float> x, int width) {
  const std::size_t w = checked_width(x, width, static_cast<std::size_t>(width));
  const RowKernels* fast = row_kernels();
  for (std::size_t begin = 0; begin < x.size(); begin += w) {
    const std::span<float> row = x.subspan(begin, w);
    if (fast) {
      fast->softmax(row.data(), w);
      continue;
    }
    const float top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float& v : row) {
      v = std::exp(v - top);
      sum += v;
    }
    const float share = static_cast<float>(1.0 / sum);
    for (float& v : row) v *= share;
  }
}

void exponential(std::span<float> x) {
  if (const RowKernels* fast = row_kernels()) return fast->exponential(x.data(), x.size());
  for (float& v : x) v = std::exp(v);
}

void gelu(std::span<float> x) {
  if (const RowKernels* fast = row_kernels()) return fast->gelu(x.data(), x.size());
  for (float& v : x) v = 0.5f * v * (1.f + std::erf(v * (std::numbers::sqrt2_v<float> / 2)));
}

float sigmoid(float x) { return 1.f / (1.f + std::exp(-x)); }

void sigmoid(std::span<float> x) {
  if (const RowKernels* fast = row_kernels()) return fast->sigmoid(x.data(), x.size());
  for (float& v : x) v = sigmoid(v);
}

void quick_gelu(std::span<float> x) {
  if (const RowKernels* fast = row_kernels()) return fast->quick_gelu(x.data(), x.size());
  for (float& v : x) v *= sigmoid(1.702f * v);
}

void silu(std::span<float> x) {
  if (const RowKernels* fast = row_kernels()) return fast->silu(x.data(), x.size());
  for (float& v : x) v *= sigmoid(v);
}

}  // namespace cp
