#pragma once
// In:  rows of float32 values.
// Out: norms, softmax and activations, in place unless said otherwise. Sums over a row are taken in double. With SIMD
//      the exponential is within 1e-6 of itself, and what follows from it too.
// Not here: matrix products (gemm.h).

#include <span>

namespace cp {

// One group over all of x (P C), channels last, then weight (C), bias (C): torch GroupNorm(1, C).
void group_norm1(std::span<float> x, int channels, std::span<const float> weight, std::span<const float> bias,
                 float eps);

// Every row of x (R D): (x - mean) / sqrt(var + eps) weight + bias, var without Bessel's correction.
void layer_norm(std::span<float> x, int width, std::span<const float> weight, std::span<const float> bias, float eps);

// Every row of x (R D): x / sqrt(mean(x^2) + eps) weight.
void rms_norm(std::span<float> x, int width, std::span<const float> weight, float eps);

// Every row of x (R D): exp(x - max) / sum.
void softmax(std::span<float> x, int width);

void exponential(std::span<float> x);  // e^x
void gelu(std::span<float> x);         // x / 2 (1 + erf(x / sqrt 2)), the exact one
void quick_gelu(std::span<float> x);   // x sigmoid(1.702 x), OpenAI CLIP's
void silu(std::span<float> x);         // x sigmoid(x)
float sigmoid(float x);
void sigmoid(std::span<float> x);

}  // namespace cp
