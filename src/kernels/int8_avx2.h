#pragma once
// In:  the checked arguments of int8.h.
// Out: the same results with AVX2 and FMA; only to be called when simd() says so.
// Not here: checks, choice of the path (int8.cpp).

#include "kernels/int8.h"

namespace cp {

// M at most kInt8FewRows.
inline constexpr int kInt8FewRows = 4;
void int8_few_rows_avx2(const float* a, int m, const Int8Matrix& w, const float* bias, float* c);

// Columns 16p .. 16p+15 of W^T (K N), unpacked: panel (K 16). Columns right of N repeat the last one.
void int8_panel_avx2(const Int8Matrix& w, int p, float* panel);

// Largest |w| of n values (a multiple of 8); `zero` becomes NaN when one is not finite.
float int8_largest_avx2(const float* w, std::size_t n, float& zero);
// codes = w / scale, nearest, within -127 .. 127.
void int8_codes_avx2(const float* w, std::size_t n, float scale, std::int8_t* codes);

}  // namespace cp
