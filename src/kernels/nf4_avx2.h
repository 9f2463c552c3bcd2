#pragma once
// In:  the checked arguments of nf4.h, K a multiple of 64.
// Out: the same results with AVX2 and FMA; only to be called when simd() says so.
// Not here: checks, choice of the path (nf4.cpp).

#include "kernels/nf4.h"

namespace cp {

// M at most kNf4FewRows.
inline constexpr int kNf4FewRows = 4;
void nf4_few_rows_avx2(const float* a, int m, const Nf4Matrix& w, const float* bias, float* c);

// Columns 16p .. 16p+15 of W^T (K N), unpacked: panel (K 16). Columns right of N repeat the last one.
void nf4_panel_avx2(const Nf4Matrix& w, int p, float* panel);

// `blocks` blocks of 64 values, row-major as they are stored.
void nf4_blocks_avx2(const std::uint8_t* codes, const float* scales, const std::array<float, 16>& map,
                     std::size_t blocks, float* out);
// The same, each value rounded to bfloat16 (nearest, ties to even). A block has 16 values only: they are rounded once.
void nf4_blocks_bf16_avx2(const std::uint8_t* codes, const float* scales, const std::array<float, 16>& map,
                          std::size_t blocks, std::uint16_t* out);

}  // namespace cp
