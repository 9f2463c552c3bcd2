#include "kernels/nf4_amx.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/tiles_amx.h"
#include "kernels/weight_bytes.h"

#if CP_HAVE_AVX2
#include "kernels/intrinsics.h"

namespace cp {
namespace {

constexpr int kTile = 16;                      // rows of a tile, and its columns of float32
constexpr int kDepth = 32;                     // bfloat16 values of a tile's row: the products' inner step
constexpr int kPair = 2 * kTile;               // columns that are made at once: two tiles
constexpr std::size_t kTileWords = 16 * 32;    // bfloat16 values of a tile
constexpr std::size_t kGroupBytes = 1u << 20;  // of unpacked weights that stay in the second-level cache

std::size_t area(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

// 32 neighbours of one row from their 16 bytes of codes; `table` has the 16 values twice. Only the lowest five bits of
// an index are read, and the fifth does not matter.
CP_AMX inline __m512i look_up(const std::uint8_t* codes, __m512i table) {
  const __m512i bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  const __m512i index = _mm512_or_si512(_mm512_srli_epi32(bytes, 4), _mm512_slli_epi32(bytes, 16));
  return _mm512_permutexvar_epi16(index, table);
}

// The values of a block with this scale, rounded to bfloat16.
CP_AMX inline __m512i table_of(__m512 map, float scale) {
  const __m512i values =
      _mm512_castsi256_si512(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_mul_ps(map, _mm512_set1_ps(scale)))));
  return _mm512_inserti64x4(values, _mm512_castsi512_si256(values), 1);
}

// rows[i] dword j <-> rows[j] dword i.
CP_AMX inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i)
    for (int half = 0; half < 16; half += 8) {
      t[half + i] = _mm512_shuffle_i32x4(r[half + i], r[half + i + 4], 0x88);
      t[half + i + 4] = _mm512_shuffle_i32x4(r[half + i], r[half + i + 4], 0xdd);
    }
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

// Pairs of tiles for rows n .. n + 31 of W: row j of a tile holds k = 2j, 2j + 1 of 16 rows of W.
CP_AMX void fill_forward(const Nf4Matrix& w, int n, std::uint16_t* to) {
  const __m512 map = _mm512_loadu_ps(w.map.data());
  const std::size_t row_bytes = static_cast<std::size_t>(w.in) / 2, blocks = static_cast<std::size_t>(w.in) / 64;
  for (int half = 0; half < 2; ++half)
    for (std::size_t block = 0; block < blocks; ++block) {
      __m512i low[16], high[16];
      for (int i = 0; i < 16; ++i) {
        const std::size_t row = static_cast<std::size_t>(n + half * kTile + i);
        const __m512i table = table_of(map, w.scales[row * blocks + block]);
        const std::uint8_t* codes = w.codes.data() + row * row_bytes + block * 32;
        low[i] = look_up(codes, table);
        high[i] = look_up(codes + 16, table);
      }
      transpose16(low);
      transpose16(high);
      std::uint16_t* tile = to + (4 * block + static_cast<std::size_t>(half)) * kTileWords;
      for (int i = 0; i < 16; ++i) {
        _mm512_storeu_si512(tile + 32 * i, low[i]);
        _mm512_storeu_si512(tile + 2 * kTileWords + 32 * i, high[i]);
      }
    }
}

// Pairs of tiles for columns k .. k + 31 of W: row j of a tile holds 16 columns of the rows 2j and 2j + 1 of W.
CP_AMX void fill_backward(const Nf4Matrix& w, int k, std::uint16_t* to) {
  const __m512 map = _mm512_loadu_ps(w.map.data());
  const std::size_t row_bytes = static_cast<std::size_t>(w.in) / 2, blocks = static_cast<std::size_t>(w.in) / 64;
  alignas(64) std::uint16_t order[2][32];
  for (std::uint16_t half = 0; half < 2; ++half)
    for (std::uint16_t i = 0; i < 16; ++i) {
      order[half][2 * i] = static_cast<std::uint16_t>(16 * half + i);
      order[half][2 * i + 1] = static_cast<std::uint16_t>(32 + 16 * half + i);
    }
  const __m512i first = _mm512_load_si512(order[0]), second = _mm512_load_si512(order[1]);
  const std::size_t at = static_cast<std::size_t>(k) / 2, block = static_cast<std::size_t>(k) / 64;
  for (std::size_t row = 0; row < static_cast<std::size_t>(w.out); row += 2) {
    std::uint16_t* tile = to + row / kDepth * 2 * kTileWords + row % kDepth * kTile;
    const __m512i even = look_up(w.codes.data() + row * row_bytes + at, table_of(map, w.scales[row * blocks + block]));
    const __m512i odd =
        look_up(w.codes.data() + (row + 1) * row_bytes + at, table_of(map, w.scales[(row + 1) * blocks + block]));
    _mm512_storeu_si512(tile, _mm512_permutex2var_epi16(even, first, odd));
    _mm512_storeu_si512(tile + kTileWords, _mm512_permutex2var_epi16(even, second, odd));
  }
}

// Room for `values`, kept between products; what it holds is undefined.
std::uint16_t* room(LineVector<std::uint16_t>& kept, std::size_t values) {
  if (kept.size() < values) kept.resize(values);
  return kept.data();
}

// Rows of a (M depth) in the order in which the tiles are read: 32 rows at a time, of each 32 values their two tiles;
// zeros below the last row.
void put_in_tiles(const std::uint16_t* a, int m, std::size_t depth, std::uint16_t* out) {
  const std::size_t steps = depth / kDepth, rows = static_cast<std::size_t>(m);
  for (std::size_t row = 0; row < (rows + kPair - 1) / kPair * kPair; ++row) {
    std::uint16_t* to = out + row / kPair * kPair * depth + row % kPair * kDepth;
    for (std::size_t s = 0; s < steps; ++s, to += 2 * kTileWords)
      if (row < rows)
        std::memcpy(to, a + row * depth + s * kDepth, kDepth * sizeof(std::uint16_t));
      else
        std::memset(to, 0, kDepth * sizeof(std::uint16_t));
  }
}

// Asks for the lines of two tiles that follow each other in memory.
CP_AMX inline void prefetch_tiles(const std::uint16_t* tiles) {
#pragma GCC unroll 32
  for (int line = 0; line < 32; ++line) _mm_prefetch(reinterpret_cast<const char*>(tiles + 32 * line), _MM_HINT_T0);
}

// 32 rows (`steps` pairs of tiles) times 32 columns (the same): 32 x 32 float32 sums.
CP_AMX void multiply(const std::uint16_t* a, const std::uint16_t* b, std::size_t steps, float* sums) {
  constexpr std::size_t kAhead = 2 * 2 * kTileWords;  // two steps
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::size_t s = 0; s < steps; ++s, a += 2 * kTileWords, b += 2 * kTileWords) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_loadd(5, a + kTileWords, 64);
    _tile_loadd(7, b + kTileWords, 64);
    prefetch_tiles(b + kAhead);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    prefetch_tiles(a + kAhead);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, sums, 4 * kPair);
  _tile_stored(1, sums + kTile, 4 * kPair);
  _tile_stored(2, sums + kTile * kPair, 4 * kPair);
  _tile_stored(3, sums + kTile * kPair + kTile, 4 * kPair);
}

CP_AMX void store_rows(const float* sums, int rows, std::uint16_t* out, std::size_t ldc) {
  for (int r = 0; r < rows; ++r, sums += kPair, out += ldc)
    for (int half = 0; half < kPair; half += 16)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + half),
                          reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(sums + half))));
}

// out (M ldc), columns first .. first + count - 1 = a (M depth) B, where fill(column, to) makes 32 columns of B.
template <class Fill>
CP_AMX void product(const std::uint16_t* a, int m, int depth, int first, int count, std::uint16_t* out, int ldc,
                    const Fill& fill) {
  const std::size_t deep = static_cast<std::size_t>(depth), steps = deep / kDepth, block = kPair * deep;
  const int fit = static_cast<int>(kGroupBytes / (block * sizeof(std::uint16_t))) * kPair;
  const int group = std::clamp(fit, kPair, count);
  thread_local LineVector<std::uint16_t> kept_a, kept_b;
  std::uint16_t* const rows_of_a = room(kept_a, (static_cast<std::size_t>(m) + kPair - 1) / kPair * block);
  std::uint16_t* const unpacked = room(kept_b, static_cast<std::size_t>(group / kPair) * block);
  put_in_tiles(a, m, deep, rows_of_a);
  alignas(64) float sums[kPair * kPair];
  _tile_loadconfig(&kTiles);
  for (int column = first; column < first + count; column += group) {
    const int pairs = std::min(group, first + count - column) / kPair;
    for (int p = 0; p < pairs; ++p) fill(column + p * kPair, unpacked + static_cast<std::size_t>(p) * block);
    for (int row = 0; row < m; row += kPair)
      for (int p = 0; p < pairs; ++p) {
        multiply(rows_of_a + area(row, depth), unpacked + static_cast<std::size_t>(p) * block, steps, sums);
        store_rows(sums, std::min(kPair, m - row), out + area(row, ldc) + column + p * kPair,
                   static_cast<std::size_t>(ldc));
      }
  }
  _tile_release();
}

void check(std::size_t a, int m, int depth, int columns, int first, int count, std::size_t out) {
  CP_CHECK(a == area(m, depth) && out == area(m, columns), "nf4_amx: sizes");
  CP_CHECK(first >= 0 && count > 0 && first % kPair == 0 && count % kPair == 0 && first + count <= columns,
           "nf4_amx: no such columns");
}

}  // namespace

void nf4_amx_forward(std::span<const std::uint16_t> x, int m, const Nf4Matrix& w, int first, int count,
                     std::span<std::uint16_t> y) {
  CP_CHECK(nf4_amx_fits(w), "nf4_amx: not for this matrix or processor");
  check(x.size(), m, w.in, w.out, first, count, y.size());
  product(x.data(), m, w.in, first, count, y.data(), w.out,
          [&](int column, std::uint16_t* to) { fill_forward(w, column, to); });
}

void nf4_amx_backward(std::span<const std::uint16_t> dy, int m, const Nf4Matrix& w, int first, int count,
                      std::span<std::uint16_t> dx) {
  CP_CHECK(nf4_amx_fits(w), "nf4_amx: not for this matrix or processor");
  check(dy.size(), m, w.out, w.in, first, count, dx.size());
  product(dy.data(), m, w.out, first, count, dx.data(), w.in,
          [&](int column, std::uint16_t* to) { fill_backward(w, column, to); });
}

}  // namespace cp

#else

namespace cp {

void nf4_amx_forward(std::span<const std::uint16_t>, int, const Nf4Matrix&, int, int, std::span<std::uint16_t>) {
  CP_CHECK(false, "no AMX in this build");
}
void nf4_amx_backward(std::span<const std::uint16_t>, int, const Nf4Matrix&, int, int, std::span<std::uint16_t>) {
  CP_CHECK(false, "no AMX in this build");
}

}  // namespace cp

#endif

namespace cp {

bool nf4_amx_fits(const Nf4Matrix& w) {
  return bf16_dot() == Bf16Dot::amx && w.out % 32 == 0 && w.in % Nf4Matrix::kBlock == 0;
}

}  // namespace cp
