#pragma once
// In:  bfloat16 activations; NF4 weights (nf4.h).
// Out: products in bfloat16 by the processor's matrix tiles (AMX), forward and backward; each weight is unpacked to
//      bfloat16 where the tiles read it and never stands in memory as a matrix.
// Not here: other processors (nf4_unpack_bf16 and a library's product do the same there), threads: callers split the
//      columns.

#include <cstdint>
#include <span>

#include "kernels/nf4.h"

namespace cp {

// Whether the products below can be had: bf16_dot() says amx, W (N K) with N a multiple of 32 and K of 64.
bool nf4_amx_fits(const Nf4Matrix& w);

// Columns first .. first + count - 1 (multiples of 32) of y (M N) = x (M K) W^T; both bfloat16 bits, row-major. Sums in
// float32; W rounded to nearest even as nf4_unpack_bf16 does it, y rounded once.
void nf4_amx_forward(std::span<const std::uint16_t> x, int m, const Nf4Matrix& w, int first, int count,
                     std::span<std::uint16_t> y);
// Columns of dx (M K) = dy (M N) W.
void nf4_amx_backward(std::span<const std::uint16_t> dy, int m, const Nf4Matrix& w, int first, int count,
                      std::span<std::uint16_t> dx);

}  // namespace cp
