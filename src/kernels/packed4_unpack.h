#pragma once
// In:  one group of 16 rows of packed NF4 weights.
// Out: its values in the orders that products of many rows read; one function for each instruction set.
// Not here: which one is called (packed4_many.cpp).

#include <cstdint>

#include "kernels/packed4.h"

namespace cp {

// panel (K, 16): column after column of W, float32, as gemm_panel() wants it.
void nf4_group_floats(const Nf4Packed& w, std::size_t group, float* panel);
void nf4_group_floats_avx2(const Nf4Packed& w, std::size_t group, float* panel);

// pairs (K / 2, 16, 2): two neighbours of a row side by side, bfloat16 (nearest, ties away from zero).
void nf4_group_pairs(const Nf4Packed& w, std::size_t group, std::uint16_t* pairs);
void nf4_group_pairs_avx512(const Nf4Packed& w, std::size_t group, std::uint16_t* pairs);

// A row of n float32 values (a multiple of 32) to bfloat16 (nearest, ties to even), 32 of them to each tile.
void round_to_tiles_avx512(const float* from, std::size_t n, std::uint16_t* to);

// out (rows, 32; rows `stride` apart) = a (rows, K, in tiles: ManyRows) times the pairs of two groups + bias (32).
// `rows` is a multiple of 32, K of 32.
void bf16_product_amx(const std::uint16_t* a, std::size_t rows, std::size_t k, const std::uint16_t* pairs0,
                      const std::uint16_t* pairs1, const float* bias, float* out, std::size_t stride);
void bf16_product_avx512(const std::uint16_t* a, std::size_t rows, std::size_t k, const std::uint16_t* pairs0,
                         const std::uint16_t* pairs1, const float* bias, float* out, std::size_t stride);

}  // namespace cp
