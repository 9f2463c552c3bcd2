#include "kernels/nf4_avx2.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"

#if CP_HAVE_AVX2
#include "kernels/lanes_avx2.h"

namespace cp {

namespace {

constexpr std::size_t kBlock = Nf4Matrix::kBlock, kBlockBytes = kBlock / 2;

// The 16 values of the map, byte by byte: byte p of all of them in each half of planes.byte[p].
struct Planes {
  __m256i byte[4];
};

CP_AVX2 inline Planes planes_of(const std::array<float, 16>& map) {
  Planes planes;
  for (int p = 0; p < 4; ++p) {
    alignas(16) std::uint8_t bytes[16];
    for (std::size_t code = 0; code < 16; ++code)
      bytes[code] = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(map[code]) >> 8 * p);
    planes.byte[p] = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
  }
  return planes;
}

// Values of 32 codes, one a byte: value[v] has those of the bytes 4v .. 4v+3 and 16+4v .. 16+4v+3. The four bytes of
// each value are looked up on their own and zipped together: half the instructions of a look-up of whole floats.
CP_AVX2 inline void look_up(__m256i codes, const Planes& planes, __m256 (&value)[4]) {
  const __m256i byte0 = _mm256_shuffle_epi8(planes.byte[0], codes), byte1 = _mm256_shuffle_epi8(planes.byte[1], codes);
  const __m256i byte2 = _mm256_shuffle_epi8(planes.byte[2], codes), byte3 = _mm256_shuffle_epi8(planes.byte[3], codes);
  const __m256i low01 = _mm256_unpacklo_epi8(byte0, byte1), low23 = _mm256_unpacklo_epi8(byte2, byte3);
  const __m256i high01 = _mm256_unpackhi_epi8(byte0, byte1), high23 = _mm256_unpackhi_epi8(byte2, byte3);
  value[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(low01, low23));
  value[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(low01, low23));
  value[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(high01, high23));
  value[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(high01, high23));
}

// The codes of even (parity 0: high nibbles) or odd flat index, one a byte.
CP_AVX2 inline __m256i nibbles(__m256i pairs, int parity) {
  return _mm256_and_si256(parity == 0 ? _mm256_srli_epi16(pairs, 4) : pairs, _mm256_set1_epi8(15));
}

// `a` (ROWS K) in the order in which look_up() gives the weights of each block.
template <int ROWS>
CP_AVX2 void few_rows(const float* a, const Nf4Matrix& w, const float* bias, float* c) {
  const std::size_t k = static_cast<std::size_t>(w.in), n = static_cast<std::size_t>(w.out), blocks = k / kBlock;
  const Planes planes = planes_of(w.map);
  const std::uint8_t* codes = w.codes.data();
  const float* scales = w.scales.data();
  for (std::size_t row = 0; row < n; ++row) {
    __m256 total[ROWS];
    for (int r = 0; r < ROWS; ++r) total[r] = _mm256_setzero_ps();
    for (std::size_t b = 0; b < blocks; ++b, codes += kBlockBytes, ++scales) {
      const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
      const float* from = a + b * kBlock;
      __m256 sum[ROWS];
      for (int r = 0; r < ROWS; ++r) sum[r] = _mm256_setzero_ps();
#pragma GCC unroll 2
      for (int parity = 0; parity < 2; ++parity) {
        __m256 value[4];
        look_up(nibbles(pairs, parity), planes, value);
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v, from += 8)
#pragma GCC unroll 4
          for (int r = 0; r < ROWS; ++r)
            sum[r] = _mm256_fmadd_ps(value[v], _mm256_loadu_ps(from + static_cast<std::size_t>(r) * k), sum[r]);
      }
      const __m256 scale = _mm256_broadcast_ss(scales);
      for (int r = 0; r < ROWS; ++r) total[r] = _mm256_fmadd_ps(sum[r], scale, total[r]);
    }
    for (int r = 0; r < ROWS; ++r)
      c[static_cast<std::size_t>(r) * n + row] = sum_lanes(total[r]) + (bias ? bias[row] : 0.f);
  }
}

}  // namespace

void nf4_few_rows_avx2(const float* a, int m, const Nf4Matrix& w, const float* bias, float* c) {
  CP_CHECK(m >= 0 && m <= kNf4FewRows, "rows");
  const std::size_t size = static_cast<std::size_t>(m) * static_cast<std::size_t>(w.in);
  std::vector<float> ordered;
  ordered.reserve(size);
  for (std::size_t block = 0; block < size; block += kBlock)
    for (std::size_t parity = 0; parity < 2; ++parity)
      for (std::size_t v = 0; v < 4; ++v)
        for (std::size_t lane = 0; lane < 8; ++lane) {
          const std::size_t byte = 4 * v + lane % 4 + lane / 4 * 16;
          ordered.push_back(a[block + 2 * byte + parity]);
        }
  if (m == 1) few_rows<1>(ordered.data(), w, bias, c);
  if (m == 2) few_rows<2>(ordered.data(), w, bias, c);
  if (m == 3) few_rows<3>(ordered.data(), w, bias, c);
  if (m == 4) few_rows<4>(ordered.data(), w, bias, c);
}

// Eight rows of W at a time. Their codes are turned around first, so that what look_up() gives are 8 columns of W^T at
// one k, as the panel wants them: lanes of 4 bytes (8 neighbours of one row) across the rows, then the bytes of four
// rows.
CP_AVX2 void nf4_panel_avx2(const Nf4Matrix& w, int p, float* panel) {
  constexpr int kPanel = PackedMatrix::kPanel;
  const std::size_t blocks = static_cast<std::size_t>(w.in) / kBlock;
  const Planes planes = planes_of(w.map);
  const __m256i by_byte =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (int half = 0; half < kPanel; half += 8) {
    std::size_t first[8];  // block of W at which each row begins
    for (int r = 0; r < 8; ++r)
      first[r] = static_cast<std::size_t>(std::min(p * kPanel + half + r, w.out - 1)) * blocks;
    float* to = panel + half;
    for (std::size_t b = 0; b < blocks; ++b) {
      __m256 lanes[8];
      alignas(32) float scales[8];
      for (int r = 0; r < 8; ++r) {
        lanes[r] = _mm256_loadu_ps(reinterpret_cast<const float*>(w.codes.data() + (first[r] + b) * kBlockBytes));
        scales[r] = w.scales[first[r] + b];
      }
      transpose8(lanes);
      const __m256 scale = _mm256_load_ps(scales);
      for (int lane = 0; lane < 8; ++lane, to += 8 * kPanel) {
        const __m256i pairs = _mm256_shuffle_epi8(_mm256_castps_si256(lanes[lane]), by_byte);
        for (int parity = 0; parity < 2; ++parity) {
          __m256 value[4];
          look_up(nibbles(pairs, parity), planes, value);
          for (int v = 0; v < 4; ++v) _mm256_storeu_ps(to + (2 * v + parity) * kPanel, _mm256_mul_ps(value[v], scale));
        }
      }
    }
  }
}

// Eight codes in the four bytes of one word: the word in every lane, shifted so that a lane's code is lowest.
CP_AVX2 void nf4_blocks_avx2(const std::uint8_t* codes, const float* scales, const std::array<float, 16>& map,
                             std::size_t blocks, float* out) {
  const __m256 low = _mm256_loadu_ps(map.data()), high = _mm256_loadu_ps(map.data() + 8);
  const __m256i shifts = _mm256_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24);
  for (std::size_t b = 0; b < blocks; ++b) {
    const __m256 scale = _mm256_set1_ps(scales[b]);
    for (std::size_t i = 0; i < kBlockBytes; i += 4, codes += 4, out += 8) {
      std::int32_t word;
      std::memcpy(&word, codes, sizeof word);
      const __m256i code = _mm256_srlv_epi32(_mm256_set1_epi32(word), shifts);
      const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));  // sign: codes 8 to 15
      const __m256 value =
          _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, code), _mm256_permutevar8x32_ps(high, code), upper);
      _mm256_storeu_ps(out, _mm256_mul_ps(value, scale));
    }
  }
}

CP_AVX2 void nf4_blocks_bf16_avx2(const std::uint8_t* codes, const float* scales, const std::array<float, 16>& map,
                                  std::size_t blocks, std::uint16_t* out) {
  const __m256 low = _mm256_loadu_ps(map.data()), high = _mm256_loadu_ps(map.data() + 8);
  const __m256i half = _mm256_set1_epi32(0x7fff), one = _mm256_set1_epi32(1);
  const __m256i byte_low = _mm256_set1_epi16(0xff);
  const auto rounded = [&](__m256 value) CP_AVX2 {
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    return _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(half, odd)), 16);
  };
  for (std::size_t b = 0; b < blocks; ++b, codes += kBlockBytes, out += kBlock) {
    const __m256 scale = _mm256_set1_ps(scales[b]);
    const __m256i words = _mm256_permute4x64_epi64(  // 16 values of 16 bits
        _mm256_packus_epi32(rounded(_mm256_mul_ps(low, scale)), rounded(_mm256_mul_ps(high, scale))), 0xd8);
    const __m256i bytes = _mm256_permute4x64_epi64(  // their low bytes, then their high bytes
        _mm256_packus_epi16(_mm256_and_si256(words, byte_low), _mm256_srli_epi16(words, 8)), 0xd8);
    const __m128i table0 = _mm256_castsi256_si128(bytes), table1 = _mm256_extracti128_si256(bytes, 1);
    for (std::size_t i = 0; i < kBlockBytes; i += 16) {
      const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i));
      const __m128i mask = _mm_set1_epi8(15);
      const __m128i even = _mm_and_si128(_mm_srli_epi16(pairs, 4), mask), odd = _mm_and_si128(pairs, mask);
      const __m128i order[2] = {_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd)};
      for (std::size_t h = 0; h < 2; ++h) {
        const __m128i first = _mm_shuffle_epi8(table0, order[h]), second = _mm_shuffle_epi8(table1, order[h]);
        auto* to = reinterpret_cast<__m128i*>(out + 2 * i + 16 * h);
        _mm_storeu_si128(to, _mm_unpacklo_epi8(first, second));
        _mm_storeu_si128(to + 1, _mm_unpackhi_epi8(first, second));
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
void nf4_blocks_avx2(const std::uint8_t*, const float*, const std::array<float, 16>&, std::size_t, float*) {
  CP_CHECK(false, "no AVX2 in this build");
}
void nf4_blocks_bf16_avx2(const std::uint8_t*, const float*, const std::array<float, 16>&, std::size_t,
                          std::uint16_t*) {
  CP_CHECK(false, "no AVX2 in this build");
}

}  // namespace cp

#endif
