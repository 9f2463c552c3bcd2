#pragma once
// In:  row-major float32 activations; a weight rounded to bfloat16 and packed once.
// Out: C (M N) = A (M K) B (K N) + bias, A rounded to bfloat16 too, sums in float32: several times the speed of gemm()
//      where the processor multiplies bfloat16 (bf16_dot()), half the memory everywhere.
// Not here: float32 (gemm.h), 4-bit weights (packed4_many.h), which way the processor takes (cpu.h).

#include <cstdint>
#include <span>
#include <vector>

namespace cp {

// B (K N) in panels of 16 columns, rows in pairs: panel p holds for each pair of rows (2r, 2r + 1) the 16 columns, the
// two values of a column side by side. K is padded with zeros to a multiple of 32, the depth of a tile; the number of
// panels to an even one.
struct PackedBf16 {
  static constexpr int kPanel = 16, kDepth = 32;
  int rows = 0, cols = 0;  // K, N
  std::vector<std::uint16_t> panels;

  std::size_t depth() const { return static_cast<std::size_t>((rows + kDepth - 1) / kDepth) * kDepth; }
  int panel_count() const { return (cols + 2 * kPanel - 1) / (2 * kPanel) * 2; }
  const std::uint16_t* panel(std::size_t p) const { return panels.data() + p * depth() * kPanel; }
};

// From W (N K), as torch keeps a linear layer's weight: B = W^T, rounded to nearest, ties to even.
PackedBf16 pack_bf16_transposed(std::span<const float> w, int n, int k);

// a (M K), c (M N), bias (N) or empty. Ways differ by the order of their sums, and those of the processor take
// subnormal numbers for zero. Large products are cut among the threads of thread_pool().
void gemm_bf16(std::span<const float> a, int m, const PackedBf16& b, std::span<const float> bias, std::span<float> c);

// The nearest bfloat16, ties to even; NaN stays so.
std::uint16_t round_to_bf16(float value);

}  // namespace cp
