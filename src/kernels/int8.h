#pragma once
// In:  float32 activations; 8-bit weights with one scale a row (formats/int8_rows.h reads such files).
// Out: products in float32 with the exact value of every weight, code * scale; single rows of an embedding.
// Not here: activations in 8 bits, files.

#include <cstdint>
#include <span>
#include <vector>

namespace cp {

// W (N K), row-major: the weight of a linear layer, or an embedding of N tokens.
struct Int8Matrix {
  int out = 0, in = 0;             // N, K
  std::vector<std::int8_t> codes;  // (N K)
  std::vector<float> scales;       // (N)
};

// c (M N) = a (M K) W^T + bias (N, or empty). As in nf4.h, few rows of `a` read the codes in one pass and many rows go
// through panels, equal to the bit to gemm() with the unpacked W.
void int8_gemm(std::span<const float> a, int m, const Int8Matrix& w, std::span<const float> bias, std::span<float> c);

// w (K) ~ codes * the scale that is returned: largest |w| / 127, codes to nearest (ties to even), within -127 .. 127;
// as formats/int8_rows.h stores them. NaN when a value is not finite.
float int8_row_codes(std::span<const float> w, std::int8_t* codes);

// Row n of W (K).
void int8_row(const Int8Matrix& w, int n, std::span<float> row);

}  // namespace cp
