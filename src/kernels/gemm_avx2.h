#pragma once
// In:  the checked arguments of gemm.h.
// Out: the same results with AVX2 and FMA; only to be called when simd() says so.
// Not here: checks, choice of the path (gemm.cpp).

#include "kernels/gemm.h"

namespace cp {

// As gemm_strided().
void panels_avx2(const float* a, std::size_t lda, int m, const float* panels, int k, int n, const float* bias, float* c,
                 std::size_t ldc, Activation activation);
float dot_avx2(const float* a, const float* b, int n);
void axpy_avx2(float s, const float* x, float* y, int n);

}  // namespace cp
