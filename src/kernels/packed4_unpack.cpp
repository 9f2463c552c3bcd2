#include "kernels/packed4_unpack.h"

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/tiles_amx.h"

#if CP_HAVE_AVX2
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own AVX-512 headers, GCC bug 105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

namespace cp {

namespace {

constexpr std::size_t kGroup = Packed4Shape::kGroup, kBlockBytes = Packed4Shape::kBlockBytes;

// How far the nibbles of columns 8 t .. 8 t + 7 stand from the lowest bit of a row's four bytes.
constexpr int kShifts[8] = {0, 8, 16, 24, 4, 12, 20, 28};

}  // namespace

CP_AVX2 void nf4_group_floats_avx2(const Nf4Packed& w, std::size_t group, float* panel) {
  const __m256 low = _mm256_loadu_ps(w.map.data()), high = _mm256_loadu_ps(w.map.data() + 8);
  const __m256 unit = _mm256_set1_ps(w.unit);
  const std::uint8_t* codes = w.group(group);
  const std::uint8_t* scales = codes + w.blocks() * kBlockBytes;
  for (std::size_t b = 0; b < w.blocks(); ++b, scales += 2 * kGroup) {
    __m256 scale[2];
    for (int half = 0; half < 2; ++half)
      scale[half] =
          _mm256_mul_ps(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales + 16 * half))), unit);
    for (std::size_t t = 0; t < 8; ++t, codes += 64, panel += 8 * kGroup)
      for (int half = 0; half < 2; ++half) {
        const __m256i four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 32 * half));
        for (std::size_t j = 0; j < 8; ++j) {
          const __m256i code = _mm256_srl_epi32(four, _mm_cvtsi32_si128(kShifts[j]));
          const __m256 upper = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));  // sign: codes 8 to 15
          const __m256 value =
              _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, code), _mm256_permutevar8x32_ps(high, code), upper);
          _mm256_storeu_ps(panel + j * kGroup + 8 * half, _mm256_mul_ps(value, scale[half]));
        }
      }
  }
}

CP_AVX512 void nf4_group_pairs_avx512(const Nf4Packed& w, std::size_t group, std::uint16_t* pairs) {
  const __m512 map = _mm512_loadu_ps(w.map.data()), unit = _mm512_set1_ps(w.unit);
  const __m512i half = _mm512_set1_epi32(0x8000);
  const std::uint8_t* codes = w.group(group);
  const std::uint8_t* scales = codes + w.blocks() * kBlockBytes;
  for (std::size_t b = 0; b < w.blocks(); ++b, scales += 2 * kGroup) {
    const __m512 scale =
        _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales))), unit);
    for (std::size_t t = 0; t < 8; ++t, codes += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(codes + 4096), _MM_HINT_T0);
      const __m512i four = _mm512_loadu_si512(codes);
#pragma GCC unroll 4
      for (int j = 0; j < 8; j += 2, pairs += 2 * kGroup) {
        const __m512 first = _mm512_permutexvar_ps(_mm512_srli_epi32(four, static_cast<unsigned>(kShifts[j])), map);
        const __m512 second =
            _mm512_permutexvar_ps(_mm512_srli_epi32(four, static_cast<unsigned>(kShifts[j + 1])), map);
        const __m512i low = _mm512_add_epi32(_mm512_castps_si512(_mm512_mul_ps(first, scale)), half);
        const __m512i high = _mm512_add_epi32(_mm512_castps_si512(_mm512_mul_ps(second, scale)), half);
        _mm512_storeu_si512(pairs, _mm512_mask_blend_epi16(0xAAAAAAAAu, _mm512_srli_epi32(low, 16), high));
      }
    }
  }
}

CP_AVX512_BF16 void round_to_tiles_avx512(const float* from, std::size_t n, std::uint16_t* to) {
  for (std::size_t i = 0; i < n; i += 32, to += kGroup * 32)
    for (std::size_t half = 0; half < 32; half += 16) {
      const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(from + i + half));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + half), reinterpret_cast<const __m256i&>(rounded));
    }
}

// Four tiles of sums for 32 rows by 32 columns: each tile of either side that is loaded meets two of the other. They
// begin as the bias, 16 times the same row.
CP_AMX void bf16_product_amx(const std::uint16_t* a, std::size_t rows, std::size_t k, const std::uint16_t* pairs0,
                             const std::uint16_t* pairs1, const float* bias, float* out, std::size_t stride) {
  _tile_loadconfig(&kTiles);
  const std::size_t out_stride = stride * sizeof(float);
  for (std::size_t row = 0; row < rows; row += 32, a += 32 * k, out += 32 * stride) {
    _tile_loadd(0, bias, 0);
    _tile_loadd(1, bias + 16, 0);
    _tile_loadd(2, bias, 0);
    _tile_loadd(3, bias + 16, 0);
    for (std::size_t i = 0; i < k; i += 32) {
      _tile_loadd(6, pairs0 + i * kGroup, 64);
      _tile_loadd(4, a + i * kGroup, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, pairs1 + i * kGroup, 64);
      _tile_dpbf16ps(1, 4, 7);
      _tile_loadd(5, a + 16 * k + i * kGroup, 64);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, out_stride);
    _tile_stored(1, out + 16, out_stride);
    _tile_stored(2, out + 16 * stride, out_stride);
    _tile_stored(3, out + 16 * stride + 16, out_stride);
  }
  _tile_release();
}

CP_AVX512_BF16 void bf16_product_avx512(const std::uint16_t* a, std::size_t rows, std::size_t k,
                                        const std::uint16_t* pairs0, const std::uint16_t* pairs1, const float* bias,
                                        float* out, std::size_t stride) {
  constexpr std::size_t kRows = 8;
  for (std::size_t row = 0; row < rows; row += kRows, out += kRows * stride) {
    const std::uint16_t* tile = a + row / kGroup * kGroup * k + row % kGroup * 32;
    __m512 sum[2][kRows];
    for (std::size_t half = 0; half < 2; ++half)
      for (__m512& s : sum[half]) s = _mm512_loadu_ps(bias + 16 * half);
    for (std::size_t i = 0; i < k; i += 2) {
      const __m512i w0 = _mm512_loadu_si512(pairs0 + i * kGroup), w1 = _mm512_loadu_si512(pairs1 + i * kGroup);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < kRows; ++r) {
        std::int32_t two;
        std::memcpy(&two, tile + i / 32 * kGroup * 32 + r * 32 + i % 32, sizeof two);
        const __m512i value = _mm512_set1_epi32(two);
        sum[0][r] = _mm512_dpbf16_ps(sum[0][r], reinterpret_cast<const __m512bh&>(w0),
                                     reinterpret_cast<const __m512bh&>(value));
        sum[1][r] = _mm512_dpbf16_ps(sum[1][r], reinterpret_cast<const __m512bh&>(w1),
                                     reinterpret_cast<const __m512bh&>(value));
      }
    }
    for (std::size_t r = 0; r < kRows; ++r) {
      _mm512_storeu_ps(out + r * stride, sum[0][r]);
      _mm512_storeu_ps(out + r * stride + 16, sum[1][r]);
    }
  }
}

}  // namespace cp

#else

namespace cp {

void nf4_group_floats_avx2(const Nf4Packed&, std::size_t, float*) { CP_CHECK(false, "no AVX2 in this build"); }
void nf4_group_pairs_avx512(const Nf4Packed&, std::size_t, std::uint16_t*) { CP_CHECK(false, "no AVX-512"); }
void round_to_tiles_avx512(const float*, std::size_t, std::uint16_t*) { CP_CHECK(false, "no AVX-512"); }
void bf16_product_amx(const std::uint16_t*, std::size_t, std::size_t, const std::uint16_t*, const std::uint16_t*,
                      const float*, float*, std::size_t) {
  CP_CHECK(false, "no AMX in this build");
}
void bf16_product_avx512(const std::uint16_t*, std::size_t, std::size_t, const std::uint16_t*, const std::uint16_t*,
                         const float*, float*, std::size_t) {
  CP_CHECK(false, "no AVX-512 in this build");
}

}  // namespace cp

#endif
