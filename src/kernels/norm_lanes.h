#pragma once
// In:  the checked arguments of norm.h.
// Out: the same results many values at a time, one table of functions for each level of SIMD.
// Not here: checks, choice of the level (norm.cpp); the functions themselves (norm_lanes_body.h).

#include <cstddef>

namespace cp {

// exp(x) within 1e-6 of itself; below -87 it is 0. What is not a number stays so.
struct RowKernels {
  void (*moments)(const float* x, std::size_t n, double& mean, double& variance);
  // x (R W) = (x - mean) scale weight + bias; bias may be null.
  void (*affine)(float* x, std::size_t rows, std::size_t width, float mean, float scale, const float* weight,
                 const float* bias);
  double (*square_sum)(const float* x, std::size_t n);
  void (*softmax)(float* x, std::size_t n);  // one row
  void (*exponential)(float* x, std::size_t n);
  void (*gelu)(float* x, std::size_t n);
  void (*quick_gelu)(float* x, std::size_t n);
  void (*silu)(float* x, std::size_t n);
  void (*sigmoid)(float* x, std::size_t n);
};

// Null where the build has no such functions.
const RowKernels* row_kernels_avx2();
const RowKernels* row_kernels_avx512();

}  // namespace cp
