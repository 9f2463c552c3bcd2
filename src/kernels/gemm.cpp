#include "kernels/gemm.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/gemm_avx2.h"

namespace cp {

namespace {

std::size_t area(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

void gemm_scalar(const float* a, int m, const PackedMatrix& b, const float* bias, float* c, Activation activation) {
  constexpr int kPanel = PackedMatrix::kPanel;
  for (int i = 0; i < m; ++i) {
    const float* row = a + area(i, b.rows);
    for (int p = 0; p < b.panel_count(); ++p) {
      float sum[kPanel] = {};
      const float* panel = b.panel(p);
      for (int k = 0; k < b.rows; ++k)
        for (int j = 0; j < kPanel; ++j) sum[j] += row[k] * panel[k * kPanel + j];
      for (int j = 0, col = p * kPanel; j < kPanel && col < b.cols; ++j, ++col) {
        float value = sum[j] + (bias ? bias[col] : 0.f);
        if (activation == Activation::relu6) value = std::clamp(value, 0.f, 6.f);
        c[area(i, b.cols) + static_cast<std::size_t>(col)] = value;
      }
    }
  }
}

}  // namespace

PackedMatrix pack(std::span<const float> b, int k, int n) {
  CP_CHECK(b.size() == area(k, n), "pack: size is not K x N");
  PackedMatrix out{k, n, {}};
  out.panels.resize(area(out.panel_count(), k) * PackedMatrix::kPanel);
  float* to = out.panels.data();
  for (int p = 0; p < out.panel_count(); ++p)
    for (int row = 0; row < k; ++row, to += PackedMatrix::kPanel) {
      const int first = p * PackedMatrix::kPanel;
      std::copy_n(b.data() + area(row, n) + first, std::min(PackedMatrix::kPanel, n - first), to);
    }
  return out;
}

PackedMatrix pack_transposed(std::span<const float> w, int n, int k) {
  CP_CHECK(w.size() == area(k, n), "pack_transposed: size is not N x K");
  PackedMatrix out{k, n, {}};
  out.panels.resize(area(out.panel_count(), k) * PackedMatrix::kPanel);
  float* to = out.panels.data();
  for (int p = 0; p < out.panel_count(); ++p) {
    const int first = p * PackedMatrix::kPanel, count = std::min(PackedMatrix::kPanel, n - first);
    for (int row = 0; row < k; ++row, to += PackedMatrix::kPanel)
      for (int j = 0; j < count; ++j) to[j] = w[area(first + j, k) + static_cast<std::size_t>(row)];
  }
  return out;
}

void gemm(std::span<const float> a, int m, const PackedMatrix& b, std::span<const float> bias, std::span<float> c,
          Activation activation) {
  CP_CHECK(a.size() == area(m, b.rows), "gemm: A is not M x K");
  CP_CHECK(c.size() == area(m, b.cols), "gemm: C is not M x N");
  CP_CHECK(bias.empty() || bias.size() == static_cast<std::size_t>(b.cols), "gemm: the bias is not N long");
  const float* bias_or_null = bias.empty() ? nullptr : bias.data();
  if (simd() == Simd::avx2)
    gemm_avx2(a.data(), m, b, bias_or_null, c.data(), activation);
  else
    gemm_scalar(a.data(), m, b, bias_or_null, c.data(), activation);
}

float dot(const float* a, const float* b, int n) {
  if (simd() == Simd::avx2) return dot_avx2(a, b, n);
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void axpy(float s, const float* x, float* y, int n) {
  if (simd() == Simd::avx2) return axpy_avx2(s, x, y, n);
  for (int i = 0; i < n; ++i) y[i] += s * x[i];
}

}  // namespace cp
