#pragma once
// In:  the checked arguments of depthwise() in conv.h, C a multiple of 8, or of 16 for AVX-512.
// Out: the same result with AVX2 and FMA, or with AVX-512, equal to the bit; only to be called when simd() says so.
// Not here: checks, choice of the path (conv.cpp).

#include "kernels/conv.h"

namespace cp {

struct DepthwiseArguments {
  const float* x;  // (H W C)
  int height, width, channels;
  Window window;
  const float* weight;  // (k k C)
  const float* bias;    // (C)
  float* y;             // (H' W' C)
  Activation activation;
};

void depthwise_avx2(const DepthwiseArguments& arguments);
void depthwise_avx512(const DepthwiseArguments& arguments);

}  // namespace cp
