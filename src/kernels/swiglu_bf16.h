#pragma once
// In:  gate and up projections in bfloat16.
// Out: SwiGLU and its gradient in bfloat16, each value computed in float32 and rounded once.
// Not here: other dtypes (LibTorch's own functions), threads: callers split the values.

#include <cstdint>
#include <span>

namespace cp {

// Whether the processor has what these need (AVX-512 with bfloat16).
bool swiglu_bf16_ready();

// out = gate sigmoid(gate) up (Shazeer 2020, arXiv:2002.05202). Bits of bfloat16, all of one length; values that are
// not finite are passed on as torch does. `out` may be `up`.
void swiglu_bf16(std::span<const std::uint16_t> gate, std::span<const std::uint16_t> up, std::span<std::uint16_t> out);

// dgate = dy up s (1 + gate (1 - s)), dup = dy gate s with s = sigmoid(gate).
void swiglu_bf16_backward(std::span<const std::uint16_t> gate, std::span<const std::uint16_t> up,
                          std::span<const std::uint16_t> dy, std::span<std::uint16_t> dgate,
                          std::span<std::uint16_t> dup);

}  // namespace cp
