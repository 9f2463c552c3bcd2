#pragma once
// In:  the checked arguments of gemm.h.
// Out: the same results with AVX2 and FMA; only to be called when simd() says so.
// Not here: checks, choice of the path (gemm.cpp).

#include "kernels/gemm.h"

namespace cp {

void gemm_avx2(const float* a, int m, const PackedMatrix& b, const float* bias, float* c, Activation activation);
void panel_avx2(const float* a, int m, const float* panel, int k, int width, const float* bias, float* c,
                std::size_t ldc, Activation activation);
float dot_avx2(const float* a, const float* b, int n);
void axpy_avx2(float s, const float* x, float* y, int n);

}  // namespace cp
