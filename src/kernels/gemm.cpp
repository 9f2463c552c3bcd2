#include "kernels/gemm.h"

#include <algorithm>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/cpu.h"
#include "kernels/gemm_avx2.h"
#include "kernels/gemm_avx512.h"

namespace cp {

namespace {

std::size_t area(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

constexpr double kWorthThreads = 2e6;  // multiplications that take longer than a fork and join

void panel_scalar(const float* a, std::size_t lda, int m, const float* panel, int k_count, int width, const float* bias,
                  float* c, std::size_t ldc, Activation activation) {
  constexpr int kPanel = PackedMatrix::kPanel;
  for (int i = 0; i < m; ++i, a += lda, c += ldc) {
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
    // A row of W at a time: it is read from front to back, and a panel fits into the second-level cache.
    for (int j = 0; j < count; ++j) {
      const float* const from = w.data() + area(first + j, k);
      for (int row = 0; row < k; ++row) to[row * PackedMatrix::kPanel + j] = from[row];
    }
    to += area(k, PackedMatrix::kPanel);
  }
  return out;
}

void gemm(std::span<const float> a, int m, const PackedMatrix& b, std::span<const float> bias, std::span<float> c,
          Activation activation) {
  CP_CHECK(a.size() == area(m, b.rows), "gemm: A is not M x K");
  CP_CHECK(c.size() == area(m, b.cols), "gemm: C is not M x N");
  CP_CHECK(bias.empty() || bias.size() == static_cast<std::size_t>(b.cols), "gemm: the bias is not N long");
  const float* const bias_or_null = bias.empty() ? nullptr : bias.data();
  const std::size_t lda = static_cast<std::size_t>(b.rows), ldc = static_cast<std::size_t>(b.cols);
  const auto part = [&](std::size_t row, std::size_t row_end, std::size_t col, std::size_t col_end) {
    gemm_strided(a.data() + row * lda, lda, static_cast<int>(row_end - row), b.panels.data() + col * lda, b.rows,
                 static_cast<int>(col_end - col), bias_or_null ? bias_or_null + col : nullptr,
                 c.data() + row * ldc + col, ldc, activation);
  };
  const std::size_t rows = static_cast<std::size_t>(m);
  if (static_cast<double>(m) * b.rows * b.cols < kWorthThreads) return part(0, rows, 0, ldc);
  // What is read once by all threads together is cut: the larger of the two.
  if (rows > ldc)
    thread_pool().run_ranges(rows, 16, [&](std::size_t from, std::size_t to) { part(from, to, 0, ldc); });
  else
    thread_pool().run_ranges(ldc, 2 * PackedMatrix::kPanel,
                             [&](std::size_t from, std::size_t to) { part(0, rows, from, to); });
}

void gemm_strided(const float* a, std::size_t lda, int m, const float* panels, int k, int n, const float* bias,
                  float* c, std::size_t ldc, Activation activation) {
  if (simd() == Simd::avx512) return panels_avx512(a, lda, m, panels, k, n, bias, c, ldc, activation);
  if (simd() == Simd::avx2) return panels_avx2(a, lda, m, panels, k, n, bias, c, ldc, activation);
  for (int col = 0; col < n; col += PackedMatrix::kPanel)
    panel_scalar(a, lda, m, panels + static_cast<std::size_t>(col) * static_cast<std::size_t>(k), k,
                 std::min(PackedMatrix::kPanel, n - col), bias ? bias + col : nullptr, c + col, ldc, activation);
}

void gemm_panel(const float* a, int m, const float* panel, int k, int width, const float* bias, float* c,
                std::size_t ldc, Activation activation) {
  gemm_strided(a, static_cast<std::size_t>(k), m, panel, k, width, bias, c, ldc, activation);
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
