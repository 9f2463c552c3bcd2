#pragma once
// In:  last hidden states at the places that predict an answer's tokens, those tokens, the frozen output projection.
// Out: their mean cross-entropy, without ever holding more logits than one chunk of rows has (V is 151,936 for Qwen2.5:
//      logits of a whole batch would need more memory than the model).
// Not here: which places these are (caption_rows.h).

#include "learn/frozen_linear.h"

namespace cp {

inline constexpr std::int64_t kHeadSlice = 8192;  // rows of the output projection that are unpacked at a time
inline constexpr std::int64_t kHeadRows = 64;     // predicted tokens whose logits are held at a time

// hidden (R D), labels (R) i64 -> (), differentiable by `hidden`. loss = mean_r[(1 - s) (lse_r - z_r,label) +
// s (lse_r - mean_v z_r,v)] with z = hidden W^T and s the label smoothing, as torch's cross_entropy has it. `chunk`
// rows are projected at a time; the gradient is taken in the same pass, and the head is read in slices, so that memory
// is chunk x V floats. Logits, loss and sums are in float32 (float64 for such `hidden`), products in `hidden`'s dtype.
at::Tensor answer_loss(const at::Tensor& hidden, const at::Tensor& labels, const FrozenLinear& head,
                       double label_smoothing, std::int64_t chunk = kHeadRows);

}  // namespace cp
