#pragma once
// In:  rows of float32 activations.
// Out: the same in 8 bits with a scale for every 64 of them, as packed4.h multiplies them.
// Not here: weights.

#include <cstdint>
#include <span>
#include <vector>

namespace cp {

// a (M K) ~ code * scale: scale = largest |a| of the block / 127, codes nearest (ties to even). The last block of a row
// is filled up with zeros. Equal to the bit on every processor.
struct Activations8 {
  static constexpr int kBlock = 64;

  int rows = 0, in = 0;               // M, K
  std::vector<std::int8_t> codes;     // (M, blocks 64)
  std::vector<float> scales;          // (M, blocks)
  std::vector<std::int32_t> offsets;  // (M, blocks) -128 times the sum of the codes, for products with w + 128

  int blocks() const { return (in + kBlock - 1) / kBlock; }
};

// Reuses the memory that `out` has. A block with a value that is not finite gets the scale NaN.
void quantize_activations(std::span<const float> a, int m, int k, Activations8& out);

}  // namespace cp
