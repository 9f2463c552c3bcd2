#include "kernels/nf4_avx2.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"

#if CP_HAVE_AVX2
#include "kernels/lanes_avx2.h"

namespace cp {

namespace {

constexpr std::size_t kBlock = Nf4Matrix::kBlock, kBlockBytes = kBlock / 2;

struct Map {
  __m256 low, high;  // values of the codes 0 .. 7 and 8 .. 15
};

// Values of nibble S of each 32-bit lane. The permutation looks at the lower three bits of a code; the fourth, brought
// to the lane's sign, picks the half of the map.
template <int S>
CP_AVX2 inline __m256 look_up(__m256i codes, const Map& map) {
  const __m256i index = _mm256_srli_epi32(codes, 4 * S), upper = _mm256_slli_epi32(codes, 28 - 4 * S);
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(map.low, index), _mm256_permutevar8x32_ps(map.high, index),
                          _mm256_castsi256_ps(upper));
}

// A lane holds 8 neighbours, and nibble S of it the neighbour S ^ 1 (the high nibble comes first in a byte).
constexpr std::size_t neighbour(int s) { return static_cast<std::size_t>(s ^ 1); }

template <int S, int ROWS>
CP_AVX2 inline void add_step(__m256i codes, const Map& map, const float* a, std::size_t lda, __m256 (&sum)[ROWS]) {
  const __m256 value = look_up<S>(codes, map);
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r)
    sum[r] = _mm256_fmadd_ps(value, _mm256_loadu_ps(a + static_cast<std::size_t>(r) * lda + 8 * S), sum[r]);
}

// `a` (ROWS K) in the order in which look_up<0>, look_up<1> ... give the weights of each block.
template <int ROWS>
CP_AVX2 void few_rows(const float* a, const Nf4Matrix& w, const float* bias, float* c) {
  const std::size_t k = static_cast<std::size_t>(w.in), n = static_cast<std::size_t>(w.out), blocks = k / kBlock;
  const Map map{_mm256_loadu_ps(w.map.data()), _mm256_loadu_ps(w.map.data() + 8)};
  const std::uint8_t* codes = w.codes.data();
  const float* scales = w.scales.data();
  for (std::size_t row = 0; row < n; ++row) {
    __m256 total[ROWS];
    for (int r = 0; r < ROWS; ++r) total[r] = _mm256_setzero_ps();
    for (std::size_t b = 0; b < blocks; ++b, codes += kBlockBytes, ++scales) {
      const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
      const float* from = a + b * kBlock;
      __m256 sum[ROWS];
      for (int r = 0; r < ROWS; ++r) sum[r] = _mm256_setzero_ps();
      add_step<0>(packed, map, from, k, sum);
      add_step<1>(packed, map, from, k, sum);
      add_step<2>(packed, map, from, k, sum);
      add_step<3>(packed, map, from, k, sum);
      add_step<4>(packed, map, from, k, sum);
      add_step<5>(packed, map, from, k, sum);
      add_step<6>(packed, map, from, k, sum);
      add_step<7>(packed, map, from, k, sum);
      const __m256 scale = _mm256_broadcast_ss(scales);
      for (int r = 0; r < ROWS; ++r) total[r] = _mm256_fmadd_ps(sum[r], scale, total[r]);
    }
    for (int r = 0; r < ROWS; ++r)
      c[static_cast<std::size_t>(r) * n + row] = sum_lanes(total[r]) + (bias ? bias[row] : 0.f);
  }
}

// to[16 e] = nibble e of 8 columns, for the 8 neighbours e.
template <int S>
CP_AVX2 inline void unpack_step(__m256i codes, const Map& map, __m256 scale, float* to) {
  _mm256_storeu_ps(to + neighbour(S) * PackedMatrix::kPanel, _mm256_mul_ps(look_up<S>(codes, map), scale));
}

}  // namespace

void nf4_few_rows_avx2(const float* a, int m, const Nf4Matrix& w, const float* bias, float* c) {
  const std::size_t size = static_cast<std::size_t>(m) * static_cast<std::size_t>(w.in);
  std::vector<float> ordered(size);
  for (std::size_t block = 0; block < size; block += kBlock)
    for (int s = 0; s < 8; ++s)
      for (std::size_t lane = 0; lane < 8; ++lane)
        ordered[block + static_cast<std::size_t>(s) * 8 + lane] = a[block + lane * 8 + neighbour(s)];
  CP_CHECK(m >= 0 && m <= kNf4FewRows, "rows");
  if (m == 1) few_rows<1>(ordered.data(), w, bias, c);
  if (m == 2) few_rows<2>(ordered.data(), w, bias, c);
  if (m == 3) few_rows<3>(ordered.data(), w, bias, c);
  if (m == 4) few_rows<4>(ordered.data(), w, bias, c);
}

// Eight rows of W at a time. Their codes are turned around first, 8 neighbours as one lane, so that a register then
// holds 8 columns of W^T at one k, as the panel wants them.
CP_AVX2 void nf4_panel_avx2(const Nf4Matrix& w, int p, float* panel) {
  constexpr int kPanel = PackedMatrix::kPanel;
  const std::size_t blocks = static_cast<std::size_t>(w.in) / kBlock;
  const Map map{_mm256_loadu_ps(w.map.data()), _mm256_loadu_ps(w.map.data() + 8)};
  for (int half = 0; half < kPanel; half += 8) {
    std::size_t first[8];  // block of W at which each row begins
    for (int r = 0; r < 8; ++r)
      first[r] = static_cast<std::size_t>(std::min(p * kPanel + half + r, w.out - 1)) * blocks;
    float* to = panel + half;
    for (std::size_t b = 0; b < blocks; ++b) {
      __m256 codes[8];
      alignas(32) float scales[8];
      for (int r = 0; r < 8; ++r) {
        codes[r] = _mm256_loadu_ps(reinterpret_cast<const float*>(w.codes.data() + (first[r] + b) * kBlockBytes));
        scales[r] = w.scales[first[r] + b];
      }
      transpose8(codes);
      const __m256 scale = _mm256_load_ps(scales);
      for (int lane = 0; lane < 8; ++lane, to += 8 * kPanel) {
        const __m256i packed = _mm256_castps_si256(codes[lane]);
        unpack_step<0>(packed, map, scale, to);
        unpack_step<1>(packed, map, scale, to);
        unpack_step<2>(packed, map, scale, to);
        unpack_step<3>(packed, map, scale, to);
        unpack_step<4>(packed, map, scale, to);
        unpack_step<5>(packed, map, scale, to);
        unpack_step<6>(packed, map, scale, to);
        unpack_step<7>(packed, map, scale, to);
      }
    }
  }
}

}  // namespace cp

#else

namespace cp {

void nf4_few_rows_avx2(const float*, int, const Nf4Matrix&, const float*, float*) {
  CP_CHECK(false, "no AVX2 in this build");
}
void nf4_panel_avx2(const Nf4Matrix&, int, float*) { CP_CHECK(false, "no AVX2 in this build"); }

}  // namespace cp

#endif
