#pragma once
// In:  queries, keys and values of one sequence, float32, heads side by side in a row.
// Out: attention without a mask, every row over every row, as vision transformers have it.
// Not here: causal attention with a cache (runtime/language_model.h), projections (gemm.h).

#include <span>

namespace cp {

// q, k, v, out (T h d): per head softmax(q k^T / sqrt(d)) v (Vaswani et al. 2017). Needs T x T floats.
void full_attention(std::span<const float> q, std::span<const float> k, std::span<const float> v, int heads,
                    int head_dim, std::span<float> out);

}  // namespace cp
