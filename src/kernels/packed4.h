#pragma once
// In:  activations in 8 bits (activations8.h); NF4 or int8 weights, repacked once at load.
// Out: products for few rows of activations, at the speed of memory: whole numbers within a block, float32 across.
// Not here: the exact value of every weight (nf4.h, int8.h), many rows (packed4_many.h).
//
// Weights stand in groups of 16 rows, so that each lane of a register owns a row and nothing is added across lanes. A
// group's blocks of 64 columns take 512 bytes: eight times (16 rows, 4 bytes), where byte j of the t-th four holds
// column 8 t + j in its low nibble and 8 t + 4 + j in its high one. Rows past the last and columns past K count
// nothing.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/activations8.h"
#include "kernels/int8.h"
#include "kernels/nf4.h"
#include "kernels/weight_bytes.h"

namespace cp {

struct Packed4Shape {
  static constexpr int kGroup = 16, kBlock = 64;
  static constexpr std::size_t kBlockBytes = kGroup * kBlock / 2;

  int out = 0, in = 0;  // N, K

  std::size_t blocks() const { return static_cast<std::size_t>(in + kBlock - 1) / kBlock; }
  std::size_t groups() const { return static_cast<std::size_t>(out + kGroup - 1) / kGroup; }
};

// W = map[code] * scale, with the map rounded to 8 bits (table * step, step chosen so that the error is least) and the
// scales to float16, 4.25 bits a weight. A group is its blocks' codes, then its scales (blocks, 16).
struct Nf4Packed : Packed4Shape {
  WeightBytes bytes;
  std::array<float, 16> map{};
  std::array<std::int8_t, 16> table{};
  float step = 1;  // of the table
  float unit = 1;  // the largest scale: those in `bytes` are shares of it

  std::size_t stride() const { return (blocks() * (kBlockBytes + 2 * kGroup) + 63) / 64 * 64; }  // of a group, bytes
  const std::uint8_t* group(std::size_t g) const { return bytes.data() + g * stride(); }
};

// Needs K to be a multiple of 64; other matrices have blocks across rows.
Nf4Packed pack_nf4(const Nf4Matrix& w, WeightArena& arena);

// W = code * scale of the row, exactly. The codes + 128 are kept as two planes of nibbles, so that a first look at all
// rows needs to read only the high ones: 4 bits a weight.
struct Int8Packed : Packed4Shape {
  WeightBytes high, low;
  std::vector<float> scales;  // (N)

  std::size_t stride() const { return blocks() * kBlockBytes; }
};

Int8Packed pack_int8(const Int8Matrix& w, WeightArena& arena);
// The same for row `n`, one by one, in any order: a large matrix then never stands in memory twice.
Int8Packed empty_int8(int out, int in, WeightArena& arena);
void set_int8_row(Int8Packed& w, int n, std::span<const std::int8_t> codes, float scale);
// Row n of W (K).
void int8_packed_row(const Int8Packed& w, int n, std::span<float> row);

// Columns first .. last - 1, in groups of 16, of c (M N) = a (M K) W^T + bias (N, or null). `c` and `bias` are those of
// column 0; rows of c are `ldc` apart. Equal to the bit for every int_dot().
void nf4_packed_product(const Nf4Packed& w, const Activations8& a, std::size_t first, std::size_t last,
                        const float* bias, float* c, std::size_t ldc);
void int8_packed_product(const Int8Packed& w, const Activations8& a, std::size_t first, std::size_t last,
                         const float* bias, float* c, std::size_t ldc);

// The same from the high nibbles alone, each code taken for the middle of the 16 that share them.
void int8_packed_estimate(const Int8Packed& w, const Activations8& a, std::size_t first, std::size_t last, float* c,
                          std::size_t ldc);
// Standard deviation of estimate - product for row i of `a` and a row of W with scale 1, if low nibbles are even.
double int8_estimate_deviation(const Activations8& a, int i);

}  // namespace cp
