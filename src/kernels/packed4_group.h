#pragma once
// In:  one group of 16 rows of packed weights and up to four rows of activations.
// Out: their products, one function for each instruction set; packed4.cpp picks.
// Not here: whole matrices.

#include <cstdint>

#include "kernels/packed4.h"

namespace cp {

// sums (rows, 16), rows of 16: for row r and lane n the sum over the blocks, in their order, of
//   fma(S, a_scale[r][block] * weight_scale[block][n], sum),  S = sum of table[code] * a, a whole number below 2^24.
struct Packed4Group {
  const std::uint8_t* codes;              // (blocks, 512)
  const std::uint8_t* low = nullptr;      // a second plane, whose nibbles are added as they are; or null
  const std::uint16_t* scales = nullptr;  // float16 (blocks, 16), or null: all 1
  const std::int8_t* table;               // (16)
  std::size_t blocks;
  const std::int8_t* a;           // first row; rows are blocks * 64 apart
  const float* a_scales;          // rows are `blocks` apart
  const std::int32_t* a_offsets;  // likewise
  int rows;                       // 1 to 4
  float* sums;
};

constexpr int kPacked4Rows = 4;

void packed4_group_scalar(const Packed4Group& g);
void packed4_group_avx2(const Packed4Group& g);
void packed4_group_avx2_vnni(const Packed4Group& g);
void packed4_group_avx512(const Packed4Group& g);

}  // namespace cp
