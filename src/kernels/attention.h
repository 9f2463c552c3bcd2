#pragma once
// In:  queries, keys and values of one or several sequences, float32, heads side by side in a row.
// Out: attention without a mask, every row of a sequence over every row of it, as vision transformers have it.
// Not here: causal attention with a cache (runtime/language_model.h), projections (gemm.h).

#include <cstddef>
#include <span>

namespace cp {

// q, k, v, out (T h d): per head softmax(q k^T / sqrt(d)) v (Vaswani et al. 2017). Needs T x T floats a thread.
void full_attention(std::span<const float> q, std::span<const float> k, std::span<const float> v, int heads,
                    int head_dim, std::span<float> out);

// B sequences of T rows, one after the other; rows of q, k and v (h d) lie `step` apart, so that one product can make
// all three side by side.
struct AttentionRows {
  const float* q;
  const float* k;
  const float* v;
  std::size_t step;
  int sequences, length, heads, head_dim;
};
void full_attention(const AttentionRows& rows, std::span<float> out);  // out (B T h d)

}  // namespace cp
