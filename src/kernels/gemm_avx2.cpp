#include "kernels/gemm_avx2.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/cpu.h"

#if CP_HAVE_AVX2
#include "kernels/lanes_avx2.h"

namespace cp {

namespace {

constexpr int kPanel = PackedMatrix::kPanel;
constexpr int kRows = 6;  // 6 x 16 sums fill 12 of the 16 registers; two hold B, one a broadcast value of A

// c (ROWS 16) = activation(a (ROWS K) panel (K 16) + bias (16)); rows of `a` are `lda` apart, rows of `c` are `ldc`
// apart.
template <int ROWS>
CP_AVX2 void block(const float* a, std::size_t lda, const float* panel, int k_count, const float* bias, float* c,
                   std::size_t ldc, Activation activation) {
  __m256 low[ROWS], high[ROWS];
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r) {
    low[r] = _mm256_setzero_ps();
    high[r] = _mm256_setzero_ps();
  }
  for (int k = 0; k < k_count; ++k, panel += kPanel) {
    const __m256 b_low = _mm256_loadu_ps(panel), b_high = _mm256_loadu_ps(panel + 8);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r) {
      const __m256 value = _mm256_broadcast_ss(a + static_cast<std::size_t>(r) * lda + k);
      low[r] = _mm256_fmadd_ps(value, b_low, low[r]);
      high[r] = _mm256_fmadd_ps(value, b_high, high[r]);
    }
  }
  const __m256 zero = _mm256_setzero_ps(), six = _mm256_set1_ps(6.f);
  const __m256 bias_low = _mm256_loadu_ps(bias), bias_high = _mm256_loadu_ps(bias + 8);
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r) {
    low[r] = _mm256_add_ps(low[r], bias_low);
    high[r] = _mm256_add_ps(high[r], bias_high);
    if (activation == Activation::relu6) {
      low[r] = _mm256_min_ps(_mm256_max_ps(low[r], zero), six);
      high[r] = _mm256_min_ps(_mm256_max_ps(high[r], zero), six);
    }
    _mm256_storeu_ps(c + static_cast<std::size_t>(r) * ldc, low[r]);
    _mm256_storeu_ps(c + static_cast<std::size_t>(r) * ldc + 8, high[r]);
  }
}

using BlockFunction = void (*)(const float*, std::size_t, const float*, int, const float*, float*, std::size_t,
                               Activation);
constexpr BlockFunction kBlocks[kRows + 1] = {nullptr, block<1>, block<2>, block<3>, block<4>, block<5>, block<6>};

// One panel, `width` of its columns.
CP_AVX2 void one_panel(const float* a, std::size_t lda, int m, const float* panel, int k, int width, const float* bias,
                       float* c, std::size_t ldc, Activation activation) {
  alignas(32) float bias_of_panel[kPanel] = {};
  if (bias) std::copy_n(bias, width, bias_of_panel);
  for (int row = 0; row < m; row += kRows) {
    const int rows = std::min(kRows, m - row);
    const float* a_rows = a + static_cast<std::size_t>(row) * lda;
    float* c_rows = c + static_cast<std::size_t>(row) * ldc;
    if (width == kPanel) {
      kBlocks[rows](a_rows, lda, panel, k, bias_of_panel, c_rows, ldc, activation);
    } else {  // the padded columns go to a buffer of their own
      alignas(32) float whole[kRows * kPanel];
      kBlocks[rows](a_rows, lda, panel, k, bias_of_panel, whole, kPanel, activation);
      for (int r = 0; r < rows; ++r) std::copy_n(whole + r * kPanel, width, c_rows + static_cast<std::size_t>(r) * ldc);
    }
  }
}

}  // namespace

CP_AVX2 void panels_avx2(const float* a, std::size_t lda, int m, const float* panels, int k, int n, const float* bias,
                         float* c, std::size_t ldc, Activation activation) {
  // Rows of A that stay in the second-level cache (128 KiB of it) while all panels pass over them.
  const int rows_at_once = std::max(kRows, 32768 / std::max(1, k) / kRows * kRows);
  for (int first = 0; first < m; first += rows_at_once) {
    const int count = std::min(rows_at_once, m - first);
    for (int col = 0; col < n; col += kPanel)
      one_panel(a + static_cast<std::size_t>(first) * lda, lda, count,
                panels + static_cast<std::size_t>(col) * static_cast<std::size_t>(k), k, std::min(kPanel, n - col),
                bias ? bias + col : nullptr, c + static_cast<std::size_t>(first) * ldc + col, ldc, activation);
  }
}

CP_AVX2 float dot_avx2(const float* a, const float* b, int n) {
  __m256 sum0 = _mm256_setzero_ps(), sum1 = _mm256_setzero_ps();
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sum1);
  }
  float sum = sum_lanes(_mm256_add_ps(sum0, sum1));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

CP_AVX2 void axpy_avx2(float s, const float* x, float* y, int n) {
  const __m256 scale = _mm256_set1_ps(s);
  int i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(y + i, _mm256_fmadd_ps(scale, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  for (; i < n; ++i) y[i] += s * x[i];
}

}  // namespace cp

#else

namespace cp {

void panels_avx2(const float*, std::size_t, int, const float*, int, int, const float*, float*, std::size_t,
                 Activation) {
  CP_CHECK(false, "no AVX2 in this build");
}
float dot_avx2(const float*, const float*, int) { CP_CHECK(false, "no AVX2 in this build"); }
void axpy_avx2(float, const float*, float*, int) { CP_CHECK(false, "no AVX2 in this build"); }

}  // namespace cp

#endif
