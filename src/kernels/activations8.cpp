#include "kernels/activations8.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/cpu.h"

#if CP_HAVE_AVX2
#include <immintrin.h>
#endif

namespace cp {

namespace {

constexpr int kBlock = Activations8::kBlock;

// One block of `count` values; the codes behind them stay zero.
void block_scalar(const float* a, int count, std::int8_t* codes, float& scale, std::int32_t& offset) {
  float most = 0, zero = 0;  // zero: NaN when a value is not finite
  for (int i = 0; i < count; ++i) {
    most = std::max(most, std::fabs(a[i]));
    zero += a[i] * 0.f;
  }
  scale = most / 127.f + zero;
  const float inverse = most > 0 ? 127.f / most : 0.f;
  std::int32_t sum = 0;
  for (int i = 0; i < count; ++i) {
    const float code = std::nearbyint(a[i] * inverse);
    codes[i] = std::fabs(code) <= 127.f ? static_cast<std::int8_t>(code) : std::int8_t{0};
    sum += codes[i];
  }
  offset = -128 * sum;
}

#if CP_HAVE_AVX2
CP_AVX2 void block_avx2(const float* a, std::int8_t* codes, float& scale, std::int32_t& offset) {
  const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 value[8], most = _mm256_setzero_ps(), zero = most;
  for (int i = 0; i < 8; ++i) {
    value[i] = _mm256_loadu_ps(a + 8 * i);
    most = _mm256_max_ps(most, _mm256_and_ps(value[i], no_sign));
    zero = _mm256_fmadd_ps(value[i], _mm256_setzero_ps(), zero);
  }
  __m128 top = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
  top = _mm_max_ps(top, _mm_movehl_ps(top, top));
  top = _mm_max_ss(top, _mm_shuffle_ps(top, top, 1));
  const float largest = _mm_cvtss_f32(top);
  scale = _mm256_movemask_ps(_mm256_cmp_ps(zero, zero, _CMP_UNORD_Q)) ? NAN : largest / 127.f;
  const __m256 inverse = _mm256_set1_ps(largest > 0 ? 127.f / largest : 0.f);
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256i sum = _mm256_setzero_si256();
  for (int i = 0; i < 8; i += 4) {
    __m256i whole[4];
    for (int j = 0; j < 4; ++j) {
      whole[j] = _mm256_cvtps_epi32(_mm256_mul_ps(value[i + j], inverse));
      sum = _mm256_add_epi32(sum, whole[j]);
    }
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + 8 * i), _mm256_permutevar8x32_epi32(bytes, in_order));
  }
  __m128i part = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  part = _mm_add_epi32(part, _mm_shuffle_epi32(part, 0x4e));
  part = _mm_add_epi32(part, _mm_shuffle_epi32(part, 0xb1));
  offset = static_cast<std::int32_t>(-128u * static_cast<std::uint32_t>(_mm_cvtsi128_si32(part)));
}
#endif

}  // namespace

void quantize_activations(std::span<const float> a, int m, int k, Activations8& out) {
  CP_CHECK(m >= 0 && k > 0 && a.size() == static_cast<std::size_t>(m) * static_cast<std::size_t>(k),
           "quantize_activations: a is not M x K");
  out.rows = m;
  out.in = k;
  const std::size_t blocks = static_cast<std::size_t>(out.blocks()), all = static_cast<std::size_t>(m) * blocks;
  out.scales.resize(all);
  out.offsets.resize(all);
  out.codes.resize(all * kBlock);
  const bool fast = simd() >= Simd::avx2;
  for (std::size_t i = 0; i < all; ++i) {
    const std::size_t first = i % blocks * kBlock;
    const int count = static_cast<int>(std::min<std::size_t>(kBlock, static_cast<std::size_t>(k) - first));
    const float* from = a.data() + i / blocks * static_cast<std::size_t>(k) + first;
    std::int8_t* codes = out.codes.data() + i * kBlock;
#if CP_HAVE_AVX2
    if (fast && count == kBlock) {
      block_avx2(from, codes, out.scales[i], out.offsets[i]);
      continue;
    }
#else
    (void)fast;
#endif
    std::fill(codes + count, codes + kBlock, std::int8_t{0});
    block_scalar(from, count, codes, out.scales[i], out.offsets[i]);
  }
}

}  // namespace cp
