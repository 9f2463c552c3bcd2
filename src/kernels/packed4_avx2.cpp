#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/packed4_group.h"

#if CP_HAVE_AVX2
#include <immintrin.h>

#include <cstring>

namespace cp {

namespace {

constexpr std::size_t kGroup = Packed4Shape::kGroup, kBlock = Packed4Shape::kBlock,
                      kBlockBytes = Packed4Shape::kBlockBytes;
constexpr std::size_t kAhead = 4096;  // bytes: the hardware alone does not look far enough for 4-bit weights

CP_AVX2 inline __m256i four_codes(const std::int8_t* a) {
  std::int32_t word;
  std::memcpy(&word, a, sizeof word);
  return _mm256_set1_epi32(word);
}

CP_AVX2 inline __m256i load(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

CP_AVX2 inline __m256i table_of(const std::int8_t* table, std::int8_t plus) {
  return _mm256_add_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))),
                         _mm256_set1_epi8(plus));
}

// sum += whole * a_scale (* the weights' scales), eight lanes.
CP_AVX2 inline __m256 add_block(__m256i whole, float a_scale, const std::uint16_t* scales, __m256 sum) {
  __m256 scale = _mm256_set1_ps(a_scale);
  if (scales) scale = _mm256_mul_ps(scale, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales))));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sum);
}

// w a, four products added in each lane. maddubs wants one side without sign and adds pairs in 16 bits; |w| <= 128 and
// |a| <= 127 cannot overflow there, w + 128 could.
CP_AVX2 inline __m256i dot4(__m256i sum, __m256i w, __m256i a) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

template <int ROWS>
CP_AVX2 void group(const Packed4Group& g) {
  const __m256i table = table_of(g.table, 0), nibbles = _mm256_set1_epi8(15);
  const std::size_t row = g.blocks * kBlock;
  for (std::size_t half = 0; half < 2; ++half) {  // eight rows of W at a time
    __m256 sum[ROWS];
    for (int r = 0; r < ROWS; ++r) sum[r] = _mm256_setzero_ps();
    const std::uint8_t* codes = g.codes + half * 32;
    const std::uint8_t* low = g.low ? g.low + half * 32 : nullptr;
    const std::int8_t* a = g.a;
    for (std::size_t b = 0; b < g.blocks; ++b) {
      __m256i whole[ROWS];
      for (int r = 0; r < ROWS; ++r) whole[r] = _mm256_setzero_si256();
      for (std::size_t t = 0; t < 8; ++t, codes += 64, a += 8) {
        if (half == 0) _mm_prefetch(reinterpret_cast<const char*>(codes + kAhead), _MM_HINT_T0);
        const __m256i pairs = load(codes);
        const __m256i first = _mm256_shuffle_epi8(table, _mm256_and_si256(pairs, nibbles)),
                      second = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(pairs, 4), nibbles));
#pragma GCC unroll 4
        for (std::size_t r = 0; r < ROWS; ++r) {
          whole[r] = dot4(whole[r], first, four_codes(a + r * row));
          whole[r] = dot4(whole[r], second, four_codes(a + r * row + 4));
        }
        if (!low) continue;
        const __m256i more = load(low);
        low += 64;
        for (std::size_t r = 0; r < ROWS; ++r) {
          whole[r] = dot4(whole[r], _mm256_and_si256(more, nibbles), four_codes(a + r * row));
          whole[r] = dot4(whole[r], _mm256_and_si256(_mm256_srli_epi16(more, 4), nibbles), four_codes(a + r * row + 4));
        }
      }
      const std::uint16_t* scales = g.scales ? g.scales + b * kGroup + half * 8 : nullptr;
      for (std::size_t r = 0; r < ROWS; ++r) sum[r] = add_block(whole[r], g.a_scales[r * g.blocks + b], scales, sum[r]);
    }
    for (std::size_t r = 0; r < ROWS; ++r) _mm256_storeu_ps(g.sums + r * kGroup + half * 8, sum[r]);
  }
}

// The same with vpdpbusd, which adds w + 128 times a in 32 bits; the offsets take the 128 away again.
template <int ROWS>
CP_AVX2_VNNI void group_vnni(const Packed4Group& g) {
  const __m256i table = table_of(g.table, -128), nibbles = _mm256_set1_epi8(15);
  const std::size_t row = g.blocks * kBlock;
  __m256 sum[2][ROWS];
  for (auto& half : sum)
    for (__m256& s : half) s = _mm256_setzero_ps();
  const std::uint8_t *codes = g.codes, *low = g.low;
  const std::int8_t* a = g.a;
  for (std::size_t b = 0; b < g.blocks; ++b) {
    __m256i whole[2][ROWS];
    for (auto& half : whole)
      for (std::size_t r = 0; r < ROWS; ++r) half[r] = _mm256_set1_epi32(g.a_offsets[r * g.blocks + b]);
    for (std::size_t t = 0; t < 8; ++t, a += 8) {
      _mm_prefetch(reinterpret_cast<const char*>(codes + kAhead), _MM_HINT_T0);
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half, codes += 32) {
        const __m256i pairs = load(codes);
        const __m256i first = _mm256_shuffle_epi8(table, _mm256_and_si256(pairs, nibbles)),
                      second = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(pairs, 4), nibbles));
#pragma GCC unroll 4
        for (std::size_t r = 0; r < ROWS; ++r) {
          whole[half][r] = _mm256_dpbusd_avx_epi32(whole[half][r], first, four_codes(a + r * row));
          whole[half][r] = _mm256_dpbusd_avx_epi32(whole[half][r], second, four_codes(a + r * row + 4));
        }
        if (!low) continue;
        const __m256i more = load(low);
        low += 32;
        for (std::size_t r = 0; r < ROWS; ++r) {
          whole[half][r] =
              _mm256_dpbusd_avx_epi32(whole[half][r], _mm256_and_si256(more, nibbles), four_codes(a + r * row));
          whole[half][r] = _mm256_dpbusd_avx_epi32(
              whole[half][r], _mm256_and_si256(_mm256_srli_epi16(more, 4), nibbles), four_codes(a + r * row + 4));
        }
      }
    }
    for (std::size_t half = 0; half < 2; ++half)
      for (std::size_t r = 0; r < ROWS; ++r)
        sum[half][r] = add_block(whole[half][r], g.a_scales[r * g.blocks + b],
                                 g.scales ? g.scales + b * kGroup + half * 8 : nullptr, sum[half][r]);
  }
  for (std::size_t half = 0; half < 2; ++half)
    for (std::size_t r = 0; r < ROWS; ++r) _mm256_storeu_ps(g.sums + r * kGroup + half * 8, sum[half][r]);
}

using Function = void (*)(const Packed4Group&);
constexpr Function kPlain[] = {group<1>, group<2>, group<3>, group<4>};
constexpr Function kVnni[] = {group_vnni<1>, group_vnni<2>, group_vnni<3>, group_vnni<4>};

}  // namespace

void packed4_group_avx2(const Packed4Group& g) { kPlain[g.rows - 1](g); }
void packed4_group_avx2_vnni(const Packed4Group& g) { kVnni[g.rows - 1](g); }

}  // namespace cp

#else

namespace cp {

void packed4_group_avx2(const Packed4Group&) { CP_CHECK(false, "no AVX2 in this build"); }
void packed4_group_avx2_vnni(const Packed4Group&) { CP_CHECK(false, "no AVX2 in this build"); }

}  // namespace cp

#endif
