#include "kernels/ceilings_loops.h"

#include "kernels/cpu.h"
#include "kernels/tiles_amx.h"

#if CP_HAVE_AVX2
#include "kernels/intrinsics.h"
#endif

namespace cp {

namespace {

// The compiler may neither leave out nor move what computes x.
template <class T>
inline void keep(T& x) {
  asm volatile("" : "+m"(x));
}
// Sums stay in registers to the end: a macro, because a function might be told other instructions than its caller.
#define CP_KEEP_SUMS(sums) _Pragma("GCC unroll 12") for (auto& sum_to_keep : sums) asm volatile("" : "+v"(sum_to_keep))

void fp32_scalar(long rounds) {
  float sum[8] = {}, factor = 0.5f;
  keep(factor);
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 8
    for (float& s : sum) s = s * factor + factor;
  keep(sum);
}

#if CP_HAVE_AVX2
constexpr int kChains = 12;  // sums side by side: two units of four or five cycles each, with some to spare

CP_AVX2 void fp32_avx2(long rounds) {
  __m256 sum[kChains], factor = _mm256_set1_ps(0.5f);
  for (__m256& s : sum) s = _mm256_setzero_ps();
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (__m256& s : sum) s = _mm256_fmadd_ps(s, factor, factor);
  CP_KEEP_SUMS(sum);
}

CP_AVX512F void fp32_avx512(long rounds) {
  __m512 sum[kChains], factor = _mm512_set1_ps(0.5f);
  for (__m512& s : sum) s = _mm512_setzero_ps();
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (__m512& s : sum) s = _mm512_fmadd_ps(s, factor, factor);
  CP_KEEP_SUMS(sum);
}

CP_AVX2 void int8_avx2(long rounds) {
  __m256i sum[kChains];
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5), one = _mm256_set1_epi16(1);
  keep(a);
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (__m256i& s : sum) {
      // xor with the sum: the product is another one each time
      const __m256i pairs = _mm256_maddubs_epi16(a, _mm256_xor_si256(b, s));
      s = _mm256_add_epi32(s, _mm256_madd_epi16(pairs, one));
    }
  CP_KEEP_SUMS(sum);
}

CP_AVX2_VNNI void int8_avx2_vnni(long rounds) {
  __m256i sum[kChains];
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5);
  keep(a);
  keep(b);
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (__m256i& s : sum) s = _mm256_dpbusd_avx_epi32(s, a, b);
  CP_KEEP_SUMS(sum);
}

CP_AVX512 void int8_avx512_vnni(long rounds) {
  __m512i sum[kChains];
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
  keep(a);
  keep(b);
  for (__m512i& s : sum) s = _mm512_setzero_si512();
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (__m512i& s : sum) s = _mm512_dpbusd_epi32(s, a, b);
  CP_KEEP_SUMS(sum);
}

CP_AVX512_BF16 void bf16_avx512(long rounds) {
  __m512 sum[kChains];
  __m512i one = _mm512_set1_epi16(0x3f80);
  keep(one);
  for (__m512& s : sum) s = _mm512_setzero_ps();
  for (long i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (__m512& s : sum) s = _mm512_dpbf16_ps(s, (__m512bh)one, (__m512bh)one);
  CP_KEEP_SUMS(sum);
}

// Four tiles of sums, two of each factor, as a kernel that holds no more in registers has them.
CP_AMX void bf16_amx(long rounds) {
  _tile_loadconfig(&kTiles);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (long i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}
#endif

}  // namespace

CeilingLoop fp32_loop() {
#if CP_HAVE_AVX2
  if (simd() == Simd::avx512) return {fp32_avx512, kChains * 32};
  if (simd() == Simd::avx2) return {fp32_avx2, kChains * 16};
#endif
  return {fp32_scalar, 16};
}

CeilingLoop int8_loop() {
#if CP_HAVE_AVX2
  switch (int_dot()) {
    case IntDot::scalar:
      return {};
    case IntDot::avx2:
      return {int8_avx2, kChains * 64};
    case IntDot::avx2_vnni:
      return {int8_avx2_vnni, kChains * 64};
    case IntDot::avx512_vnni:
      return {int8_avx512_vnni, kChains * 128};
  }
#endif
  return {};
}

CeilingLoop bf16_loop() {
#if CP_HAVE_AVX2
  switch (bf16_dot()) {
    case Bf16Dot::widened:
      return {};
    case Bf16Dot::avx512:
      return {bf16_avx512, kChains * 64};
    case Bf16Dot::amx:
      return {bf16_amx, 4 * 16 * 16 * 32 * 2};
  }
#endif
  return {};
}

// Eight sums side by side: waiting for memory, not for the adder.
#if CP_HAVE_AVX2
namespace {
CP_AVX2 std::uint64_t sum_words_avx2(const std::uint64_t* words, std::size_t n) {
  __m256i sum[8];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  for (std::size_t i = 0; i < n; i += 32)
#pragma GCC unroll 8
    for (std::size_t j = 0; j < 8; ++j)
      sum[j] = _mm256_add_epi64(sum[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words + i + 4 * j)));
  for (std::size_t j = 1; j < 8; ++j) sum[0] = _mm256_add_epi64(sum[0], sum[j]);
  alignas(32) std::uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), sum[0]);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}
}  // namespace
#endif

std::uint64_t sum_words(const std::uint64_t* words, std::size_t n) {
#if CP_HAVE_AVX2
  if (simd() >= Simd::avx2) return sum_words_avx2(words, n);
#endif
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += words[i];
  return sum;
}

}  // namespace cp
