#pragma once
// In:  the checked arguments of gemm.h.
// Out: the same results with AVX-512, equal to the bit to AVX2's: each value adds its products in the order of k with
//      fused multiply-adds. Only to be called when simd() says so.
// Not here: checks, choice of the path, threads (gemm.cpp).

#include "kernels/gemm.h"

namespace cp {

// c (M N) = activation(a (M K) panels (K N) + bias (N)); rows of `a` are `lda` apart, rows of `c` are `ldc` apart.
void panels_avx512(const float* a, std::size_t lda, int m, const float* panels, int k, int n, const float* bias,
                   float* c, std::size_t ldc, Activation activation);

}  // namespace cp
