#pragma once
// In:  many rows of activations, as in a prompt; NF4 weights packed as in packed4.h.
// Out: their products. Both sides are rounded to bfloat16 where the processor multiplies those (sums stay float32),
//      and stay float32 elsewhere.
// Not here: few rows (packed4.h).

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/packed4.h"

namespace cp {

// Rows of activations in the form that bf16_dot() wants. One object may be filled again and again.
struct ManyRows {
  static constexpr int kRowStep = 32;

  int rows = 0, in = 0;           // M, K
  std::span<const float> values;  // (M K), as they came: must outlive this
  // (M up to a multiple of 32 / 16, K / 32, 16, 32) bfloat16: tiles of 16 rows by 32 columns, one behind the other, so
  // that a product reads them front to back; nothing where bf16_dot() is widened.
  LineVector<std::uint16_t> tiles;
};

void fill_many_rows(std::span<const float> a, int m, int k, ManyRows& out);

// As nf4_packed_product(). In bfloat16, W is map[code] * scale rounded to nearest.
void nf4_packed_many(const Nf4Packed& w, const ManyRows& a, std::size_t first, std::size_t last, const float* bias,
                     float* c, std::size_t ldc);

}  // namespace cp
