#pragma once
// In:  float32 activations; 4-bit weights with one scale for 64 of them (formats/nf4.h reads such files).
// Out: products in float32 with the exact value of every weight, map[code] * scale.
// Not here: activations in 8 bits, files, rounding of the weights to the dtype they once had.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace cp {

// W (N K), row-major, as the weight of a linear layer. 4.5 bits a weight.
struct Nf4Matrix {
  static constexpr int kBlock = 64;

  int out = 0, in = 0;              // N, K
  std::vector<std::uint8_t> codes;  // ((N K + 1) / 2), even flat index in the high nibble
  std::vector<float> scales;        // (ceil(N K / 64))
  std::array<float, 16> map{};
};

// c (M N) = a (M K) W^T + bias (N, or empty). AVX2 needs rows of whole blocks (K a multiple of 64); other widths are
// unpacked by plain code. Few rows of `a` read the codes as they are, in one pass; many rows go through panels of 16
// float32 columns, and the result is then equal to the bit to gemm() with the unpacked W.
void nf4_gemm(std::span<const float> a, int m, const Nf4Matrix& w, std::span<const float> bias, std::span<float> c);

// Rows first .. first + count - 1 of W, unpacked: out (count K).
void nf4_unpack(const Nf4Matrix& w, int first, int count, std::span<float> out);
// The same, each value rounded to bfloat16 (nearest, ties to even).
void nf4_unpack_bf16(const Nf4Matrix& w, int first, int count, std::span<std::uint16_t> out);

}  // namespace cp
