#pragma once
// In:  activations of a language model, on any device, in any floating dtype.
// Out: RMS norm, SwiGLU, rotary embedding and the low-rank product, differentiable, each as one node of the graph that
//      keeps no more than its way back reads: autograd of the same formulas keeps two to four times as much.
// Not here: the model (language_net.h), frozen weights (frozen_linear.h).

#include "learn/torch.h"

namespace cp {

// x (... D) / sqrt(mean(x^2) + eps) weight (D), computed in x's dtype and rounded to `out`. Keeps x, which the residual
// stream keeps anyway, and one number a row. (Zhang and Sennrich 2019, arXiv:1910.07467.)
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, at::ScalarType out);

// gate sigmoid(gate) up. Keeps both inputs. (Shazeer 2020, arXiv:2002.05202.)
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

// x (B h T d) rotated by position: the halves convention of Qwen2 and Llama ("rotate_half"), where element i turns with
// element i + d/2. cos, sin: (T d/2) or (B 1 T d/2), in float32 or wider. Keeps those two only: the way back turns by
// the negative angle. (Su et al. 2021, arXiv:2104.09864.)
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin);

// scale x' A^T B^T for x (... in), A (r in), B (out r), in x's dtype; the gradients of A and B are in theirs. x' is x
// where each value was dropped with probability `dropout` and the rest multiplied by 1 / (1 - dropout), drawn from
// torch's generator of x's device. Keeps x itself, a byte a value when dropout > 0, and x' A^T (... r).
at::Tensor low_rank(const at::Tensor& x, const at::Tensor& a, const at::Tensor& b, double scale, double dropout);

}  // namespace cp
