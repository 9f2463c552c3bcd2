#include "kernels/gemm_bf16_x86.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/tiles_amx.h"

#if CP_HAVE_AVX2
#include "kernels/intrinsics.h"

namespace cp {

namespace {

constexpr std::size_t kPanel = PackedBf16::kPanel, kTile = 16;
constexpr std::size_t kStep = PackedBf16::kDepth * kPanel;  // values of a tile of B
constexpr std::size_t kRows = 12;                           // of AVX512_BF16: 12 x 32 sums fill 24 of 32 registers

// c (rows, columns from `col` on) = sums (rows 16) + bias, without the columns that are not there.
CP_AVX512F inline void store_rows(const Bf16Part& p, const float* sums, std::size_t row, std::size_t rows,
                                  std::size_t col) {
  const std::size_t n = static_cast<std::size_t>(p.b->cols);
  if (col >= n) return;
  const std::size_t width = std::min(kPanel, n - col);
  const auto mask = static_cast<__mmask16>((1u << width) - 1u);
  const __m512 bias = p.bias ? _mm512_maskz_loadu_ps(mask, p.bias + col) : _mm512_setzero_ps();
  for (std::size_t r = 0; r < rows; ++r)
    _mm512_mask_storeu_ps(p.c + (row + r) * n + col, mask, _mm512_add_ps(_mm512_loadu_ps(sums + r * kPanel), bias));
}

template <std::size_t ROWS>
CP_AVX512_BF16 void rows_by_two_panels(const Bf16Part& p, std::size_t row, std::size_t panel) {
  const std::size_t depth = p.b->depth();
  const std::uint16_t *left = p.b->panel(panel), *right = p.b->panel(panel + 1), *a = p.a + row * depth;
  __m512 sum[2][ROWS];
#pragma GCC unroll 12
  for (std::size_t r = 0; r < ROWS; ++r) sum[0][r] = sum[1][r] = _mm512_setzero_ps();
  for (std::size_t k = 0; k < depth; k += 2) {
    const auto w0 = (__m512bh)_mm512_loadu_si512(left + k * kPanel);
    const auto w1 = (__m512bh)_mm512_loadu_si512(right + k * kPanel);
#pragma GCC unroll 12
    for (std::size_t r = 0; r < ROWS; ++r) {
      std::int32_t two;
      std::memcpy(&two, a + r * depth + k, sizeof two);
      const auto value = (__m512bh)_mm512_set1_epi32(two);
      sum[0][r] = _mm512_dpbf16_ps(sum[0][r], value, w0);
      sum[1][r] = _mm512_dpbf16_ps(sum[1][r], value, w1);
    }
  }
  alignas(64) float out[ROWS * kPanel];
  for (std::size_t half = 0; half < 2; ++half) {
#pragma GCC unroll 12
    for (std::size_t r = 0; r < ROWS; ++r) _mm512_store_ps(out + r * kPanel, sum[half][r]);
    store_rows(p, out, row, std::min(ROWS, static_cast<std::size_t>(p.m) - row), (panel + half) * kPanel);
  }
}

// Tiles of sums 0 to 3 for two tiles of rows by two panels; 4 and 5 hold A, 6 and 7 hold B.
template <bool TWO>
CP_AMX void tiles(const Bf16Part& p, std::size_t row, std::size_t panel, const char* ahead, std::size_t lines) {
  const std::size_t depth = p.b->depth(), stride = depth * sizeof(std::uint16_t);
  const std::uint16_t *left = p.b->panel(panel), *right = p.b->panel(panel + 1), *a = p.a + row * depth;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::size_t k = 0; k < depth; k += PackedBf16::kDepth, left += kStep, right += kStep) {
    for (std::size_t i = 0; i < lines; ++i, ahead += 64) _mm_prefetch(ahead, _MM_HINT_T1);
    _tile_loadd(6, left, 64);
    _tile_loadd(4, a + k, static_cast<long>(stride));
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right, 64);
    _tile_dpbf16ps(1, 4, 7);
    if constexpr (TWO) {
      _tile_loadd(5, a + kTile * depth + k, static_cast<long>(stride));
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  alignas(64) float out[4][kTile * kPanel];
  _tile_stored(0, out[0], 64);
  _tile_stored(1, out[1], 64);
  if constexpr (TWO) {
    _tile_stored(2, out[2], 64);
    _tile_stored(3, out[3], 64);
  }
  for (std::size_t i = 0; i < (TWO ? 4u : 2u); ++i) {
    const std::size_t first = row + i / 2 * kTile;
    store_rows(p, out[i], first, std::min(kTile, static_cast<std::size_t>(p.m) - first), (panel + i % 2) * kPanel);
  }
}

}  // namespace

CP_AVX512_BF16 void round_row_avx512(const float* from, std::size_t n, std::uint16_t* to) {
  for (std::size_t i = 0; i < n; i += 16) {
    const auto mask = static_cast<__mmask16>(n - i < 16 ? (1u << (n - i)) - 1u : 0xffffu);
    const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + i));
    _mm256_mask_storeu_epi16(to + i, mask, (__m256i)rounded);
  }
}

CP_AVX512_BF16 void bf16_part_avx512(const Bf16Part& p) {
  const std::size_t rows = static_cast<std::size_t>(p.m);
  for (std::size_t panel = p.first; panel < p.last; panel += 2)
    for (std::size_t row = 0; row < rows;) {
      const std::size_t left = rows - row;
      if (left >= kRows) {
        rows_by_two_panels<kRows>(p, row, panel);
        row += kRows;
      } else if (left > 4 || row + 4 > (rows + 15) / 16 * 16) {
        rows_by_two_panels<6>(p, row, panel);
        row += 6;
      } else {
        rows_by_two_panels<1>(p, row, panel);
        row += 1;
      }
    }
}

CP_AMX void bf16_part_amx(const Bf16Part& p) {
  _tile_loadconfig(&kTiles);
  const std::size_t rows = static_cast<std::size_t>(p.m), pairs = (rows + 2 * kTile - 1) / (2 * kTile);
  const std::size_t panel_lines = 2 * p.b->depth() / 2, steps = p.b->depth() / PackedBf16::kDepth;
  const std::size_t lines = (panel_lines + pairs * steps - 1) / (pairs * steps);
  for (std::size_t panel = p.first; panel < p.last; panel += 2) {
    const std::size_t next = panel + 2 < p.last ? panel + 2 : p.first;
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const std::size_t row = pair * 2 * kTile;
      const char* ahead = reinterpret_cast<const char*>(p.b->panel(next)) + pair * steps * lines * 64;
      (rows - row > kTile ? tiles<true> : tiles<false>)(p, row, panel, ahead, lines);
    }
  }
  _tile_release();
}

}  // namespace cp

#else

namespace cp {

void bf16_part_avx512(const Bf16Part&) { CP_CHECK(false, "no AVX-512 in this build"); }
void bf16_part_amx(const Bf16Part&) { CP_CHECK(false, "no AMX in this build"); }
void round_row_avx512(const float*, std::size_t, std::uint16_t*) { CP_CHECK(false, "no AVX-512 in this build"); }

}  // namespace cp

#endif
