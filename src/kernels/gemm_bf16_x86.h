#pragma once
// In:  the checked and rounded arguments of gemm_bf16.h.
// Out: the same result by AVX512_BF16 or AMX; only to be called when bf16_dot() says so.
// Not here: checks, choice of the way, threads (gemm_bf16.cpp).

#include "kernels/gemm_bf16.h"

namespace cp {

// Panels first to last - 1 (both even) of C. `a` is (M' D) bfloat16, M' = M up to a multiple of 16, D = b.depth(), with
// zeros where A has nothing; bias may be null.
struct Bf16Part {
  const std::uint16_t* a;
  int m;
  const PackedBf16* b;
  std::size_t first, last;
  const float* bias;
  float* c;  // (M N)
};
void bf16_part_avx512(const Bf16Part& part);
void bf16_part_amx(const Bf16Part& part);

// to (K) = the nearest bfloat16 of from (K).
void round_row_avx512(const float* from, std::size_t n, std::uint16_t* to);

}  // namespace cp
