#pragma once
// In:  rows of float32 values of a language model.
// Out: what stands between its matrix products: norm, rotary positions, gated activation. AVX2 and scalar code differ
// by
//      rounding only.
// Not here: products, attention (cached_attention.h), the in-place forms for other networks (norm.h).

#include <span>

namespace cp {

// out = x / sqrt(mean(x^2) + eps) weight for every row of x (R D); sums in double.
void rms_norm_to(std::span<const float> x, std::span<const float> weight, float eps, float* out);

// gate = gate sigmoid(gate) up, n values.
void gated_silu(float* gate, const float* up, std::size_t n);

// x (heads, 2 half) of one position in the half-split form of Hugging Face: (x_i, x_{i + half}) turns by the i-th
// angle.
void rotate_heads(float* x, int heads, int half, const float* cosines, const float* sines);

// Softmax over the first `a_count` values of a and the `b_count` of b as one row, in place; sums in double.
void softmax_parts(float* a, int a_count, float* b, int b_count);

}  // namespace cp
