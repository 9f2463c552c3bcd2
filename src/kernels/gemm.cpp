#include "kernels/gemm.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/gemm_avx2.h"

namespace cp {

namespace {

std::size_t area(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

void panel_scalar(const float* a, int m, const float* panel, int k_count, int width, const float* bias, float* c,
                  std::size_t ldc, Activation activation) {
  constexpr int kPanel = PackedMatrix::kPanel;
  for (int i = 0; i < m; ++i, a += k_count, c += ldc) {
    float sum[kPanel] = {};
    for (int k = 0; k < k_count; ++k)
      for (int j = 0; j < kPanel; ++j) sum[j] += a[k] * panel[k * kPanel + j];
    for (int j = 0; j < width; ++j) {
      const float value = sum[j] + (bias ? bias[j] : 0.f);
      c[j] = activation == Activation::relu6 ? std::clamp(value, 0.f, 6.f) : value;
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
  if (simd() >= Simd::avx2) return gemm_avx2(a.data(), m, b, bias_or_null, c.data(), activation);
  for (int p = 0; p < b.panel_count(); ++p) {
    const int col = p * PackedMatrix::kPanel;
    panel_scalar(a.data(), m, b.panel(p), b.rows, std::min(PackedMatrix::kPanel, b.cols - col),
                 bias_or_null ? bias_or_null + col : nullptr, c.data() + col, static_cast<std::size_t>(b.cols),
                 activation);
  }
}

void gemm_panel(const float* a, int m, const float* panel, int k, int width, const float* bias, float* c,
                std::size_t ldc, Activation activation) {
  if (simd() >= Simd::avx2)
    panel_avx2(a, m, panel, k, width, bias, c, ldc, activation);
  else
    panel_scalar(a, m, panel, k, width, bias, c, ldc, activation);
}

float dot(const float* a, const float* b, int n) {
  if (simd() >= Simd::avx2) return dot_avx2(a, b, n);
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void axpy(float s, const float* x, float* y, int n) {
  if (simd() >= Simd::avx2) return axpy_avx2(s, x, y, n);
  for (int i = 0; i < n; ++i) y[i] += s * x[i];
}

}  // namespace cp
