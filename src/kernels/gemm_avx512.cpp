#include "kernels/gemm_avx512.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "kernels/cpu.h"

#if CP_HAVE_AVX2
#include "kernels/intrinsics.h"

namespace cp {

namespace {

constexpr int kPanel = PackedMatrix::kPanel;
constexpr int kRows = 14;         // 14 x 32 sums fill 28 of the 32 registers; two hold B, one a broadcast value of A
constexpr int kInCache = 327680;  // floats of A (1.25 MiB) that stay in the second-level cache while B passes

// What one call of a block works on.
struct Tile {
  const float* a;
  std::size_t lda;
  const float* panel;  // and the next one, `k` rows further on
  int k;
  const float* ahead;  // what is needed next and not in the cache yet: a line is asked for every fourth k
  const float* bias;   // (16 PANELS)
  float* c;
  std::size_t ldc;
  __mmask16 last;  // columns of the last panel that are written
  Activation activation;
};

// c (ROWS, 16 PANELS) = activation(a (ROWS K) panels (K, 16 PANELS) + bias).
template <int ROWS, int PANELS>
CP_AVX512F void block(const Tile& t) {
  __m512 sum[ROWS][PANELS];
#pragma GCC unroll 14
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < PANELS; ++p) sum[r][p] = _mm512_setzero_ps();
  const float* const left = t.panel;
  const float* const right = t.panel + static_cast<std::size_t>(t.k) * kPanel;
  // Every third row has a pointer, so that a row's address is pointer + {0, 1, 2} lda.
  constexpr int kPointers = (ROWS + 2) / 3;
  const float* a[kPointers];
#pragma GCC unroll 5
  for (int i = 0; i < kPointers; ++i) a[i] = t.a + static_cast<std::size_t>(3 * i) * t.lda;
  const char* ahead = reinterpret_cast<const char*>(t.ahead);
  for (int k = 0; k < t.k; ++k) {
    if (k % 4 == 0) {
      _mm_prefetch(ahead, _MM_HINT_T1);
      ahead += 64;
    }
    __m512 b[PANELS];
    b[0] = _mm512_loadu_ps(left + static_cast<std::size_t>(k) * kPanel);
    if constexpr (PANELS == 2) b[1] = _mm512_loadu_ps(right + static_cast<std::size_t>(k) * kPanel);
#pragma GCC unroll 14
    for (int r = 0; r < ROWS; ++r) {
      const __m512 value =
          _mm512_set1_ps(a[r / 3][static_cast<std::size_t>(r % 3) * t.lda + static_cast<std::size_t>(k)]);
#pragma GCC unroll 2
      for (int p = 0; p < PANELS; ++p) sum[r][p] = _mm512_fmadd_ps(value, b[p], sum[r][p]);
    }
  }
  const __m512 zero = _mm512_setzero_ps(), six = _mm512_set1_ps(6.f);
#pragma GCC unroll 14
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < PANELS; ++p) {
      __m512 y = _mm512_add_ps(sum[r][p], _mm512_loadu_ps(t.bias + p * kPanel));
      if (t.activation == Activation::relu6) y = _mm512_min_ps(_mm512_max_ps(y, zero), six);
      float* const to = t.c + static_cast<std::size_t>(r) * t.ldc + p * kPanel;
      if (p + 1 < PANELS)
        _mm512_storeu_ps(to, y);
      else
        _mm512_mask_storeu_ps(to, t.last, y);
    }
}

using Block = void (*)(const Tile&);

template <int PANELS, int... R>
constexpr std::array<Block, kRows + 1> blocks(std::integer_sequence<int, R...>) {
  return {nullptr, block<R + 1, PANELS>...};
}
constexpr auto kOnePanel = blocks<1>(std::make_integer_sequence<int, kRows>());
constexpr auto kTwoPanels = blocks<2>(std::make_integer_sequence<int, kRows>());

}  // namespace

CP_AVX512F void panels_avx512(const float* a, std::size_t lda, int m, const float* panels, int k, int n,
                              const float* bias, float* c, std::size_t ldc, Activation activation) {
  const int most_rows = std::max(1, kInCache / k), passes = (m + most_rows - 1) / most_rows;
  alignas(64) float bias_here[2 * kPanel];
  for (int pass = 0; pass < passes; ++pass) {
    const int first = m * pass / passes, count = m * (pass + 1) / passes - first;
    const int tiles = (count + kRows - 1) / kRows;
    for (int col = 0; col < n; col += 2 * kPanel) {
      const int width = std::min(2 * kPanel, n - col);
      const bool two = width > kPanel;
      std::fill_n(bias_here, 2 * kPanel, 0.f);
      if (bias) std::copy_n(bias + col, width, bias_here);
      const float* const here = panels + static_cast<std::size_t>(col) * static_cast<std::size_t>(k);
      const float* const next = col + 2 * kPanel < n ? here + static_cast<std::size_t>(2 * k) * kPanel : panels;
      const auto last = static_cast<__mmask16>((1u << (two ? width - kPanel : width)) - 1u);
      for (int tile = 0; tile < tiles; ++tile) {
        const int row = first + count * tile / tiles, rows = first + count * (tile + 1) / tiles - row;
        const float* const ahead = next + static_cast<std::size_t>(tile) * static_cast<std::size_t>(k / 4) * kPanel;
        (two ? kTwoPanels : kOnePanel)[static_cast<std::size_t>(rows)](
            {a + static_cast<std::size_t>(row) * lda, lda, here, k, ahead, bias_here,
             c + static_cast<std::size_t>(row) * ldc + col, ldc, last, activation});
      }
    }
  }
}

}  // namespace cp

#else

namespace cp {

void panels_avx512(const float*, std::size_t, int, const float*, int, int, const float*, float*, std::size_t,
                   Activation) {
  CP_CHECK(false, "no AVX-512 in this build");
}

}  // namespace cp

#endif
