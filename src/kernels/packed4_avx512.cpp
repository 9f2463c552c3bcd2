#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/packed4_group.h"

#if CP_HAVE_AVX2
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own AVX-512 headers, GCC bug 105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

namespace cp {

namespace {

constexpr std::size_t kGroup = Packed4Shape::kGroup, kBlock = Packed4Shape::kBlock,
                      kBlockBytes = Packed4Shape::kBlockBytes;
constexpr std::size_t kAhead = 4096;  // bytes: the hardware alone does not look far enough for 4-bit weights

CP_AVX512 inline __m512i four_codes(const std::int8_t* a) {
  std::int32_t word;
  std::memcpy(&word, a, sizeof word);
  return _mm512_set1_epi32(word);
}

// vpermb takes six bits of an index: with the table four times in a register the two bits of the other nibble do not
// matter, and nothing has to be masked.
template <int ROWS, bool SCALED, bool LOW>
CP_AVX512 void group(const Packed4Group& g) {
  const __m512i table = _mm512_add_epi8(
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(g.table))), _mm512_set1_epi8(-128));
  const __m512i nibbles = _mm512_set1_epi8(15);
  const std::size_t row = g.blocks * kBlock;
  __m512 sum[ROWS];
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; ++r) sum[r] = _mm512_setzero_ps();
  const std::uint8_t *codes = g.codes, *low = g.low;
  const std::int8_t* a = g.a;
  for (std::size_t b = 0; b < g.blocks; ++b) {
    __m512i even[ROWS], odd[ROWS];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < ROWS; ++r) {
      even[r] = _mm512_set1_epi32(g.a_offsets[r * g.blocks + b]);
      odd[r] = _mm512_setzero_si512();
    }
#pragma GCC unroll 8
    for (std::size_t t = 0; t < 8; ++t, codes += 64, a += 8) {
      _mm_prefetch(reinterpret_cast<const char*>(codes + kAhead), _MM_HINT_T0);
      const __m512i pairs = _mm512_loadu_si512(codes);
      const __m512i first = _mm512_permutexvar_epi8(pairs, table),
                    second = _mm512_permutexvar_epi8(_mm512_srli_epi16(pairs, 4), table);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < ROWS; ++r) {
        even[r] = _mm512_dpbusd_epi32(even[r], first, four_codes(a + r * row));
        odd[r] = _mm512_dpbusd_epi32(odd[r], second, four_codes(a + r * row + 4));
      }
      if constexpr (LOW) {
        _mm_prefetch(reinterpret_cast<const char*>(low + kAhead), _MM_HINT_T0);
        const __m512i more = _mm512_loadu_si512(low);
        low += 64;
        const __m512i third = _mm512_and_si512(more, nibbles),
                      fourth = _mm512_and_si512(_mm512_srli_epi16(more, 4), nibbles);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < ROWS; ++r) {
          even[r] = _mm512_dpbusd_epi32(even[r], third, four_codes(a + r * row));
          odd[r] = _mm512_dpbusd_epi32(odd[r], fourth, four_codes(a + r * row + 4));
        }
      }
    }
    __m512 of_weights;
    if constexpr (SCALED)
      of_weights = _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(g.scales + b * kGroup)));
#pragma GCC unroll 4
    for (std::size_t r = 0; r < ROWS; ++r) {
      __m512 scale = _mm512_set1_ps(g.a_scales[r * g.blocks + b]);
      if constexpr (SCALED) scale = _mm512_mul_ps(scale, of_weights);
      sum[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(even[r], odd[r])), scale, sum[r]);
    }
  }
#pragma GCC unroll 4
  for (std::size_t r = 0; r < ROWS; ++r) _mm512_storeu_ps(g.sums + r * kGroup, sum[r]);
}

using Function = void (*)(const Packed4Group&);
template <bool SCALED, bool LOW>
constexpr Function kFunctions[] = {group<1, SCALED, LOW>, group<2, SCALED, LOW>, group<3, SCALED, LOW>,
                                   group<4, SCALED, LOW>};

}  // namespace

void packed4_group_avx512(const Packed4Group& g) {
  const int i = g.rows - 1;
  if (g.scales)
    (g.low ? kFunctions<true, true> : kFunctions<true, false>)[i](g);
  else
    (g.low ? kFunctions<false, true> : kFunctions<false, false>)[i](g);
}

}  // namespace cp

#else

namespace cp {

void packed4_group_avx512(const Packed4Group&) { CP_CHECK(false, "no AVX-512 in this build"); }

}  // namespace cp

#endif
