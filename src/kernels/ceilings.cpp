#include "kernels/ceilings.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/thread_pool.h"
#include "kernels/cpu.h"
#include "kernels/tiles_amx.h"
#include "kernels/weight_bytes.h"

#if CP_HAVE_AVX2
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own AVX-512 headers, GCC bug 105593
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace cp {

namespace {

constexpr int kRounds = 5;
constexpr std::int64_t kLoops = 2'000'000;

std::atomic<std::uint64_t> sink;  // what was computed goes here, so that it is computed

std::uint64_t read_plain(const std::uint8_t* from, std::size_t bytes) {
  std::uint64_t sum[4] = {};
  const auto* words = reinterpret_cast<const std::uint64_t*>(from);
  for (std::size_t i = 0; i + 4 <= bytes / 8; i += 4)
    for (std::size_t j = 0; j < 4; ++j) sum[j] += words[i + j];
  return sum[0] + sum[1] + sum[2] + sum[3];
}

#if CP_HAVE_AVX2
template <int AHEAD>
CP_AVX2 std::uint64_t read_avx2(const std::uint8_t* from, std::size_t bytes) {
  __m256i sum[8];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  for (std::size_t i = 0; i + 256 <= bytes; i += 256) {
    if constexpr (AHEAD > 0)
      for (std::size_t j = 0; j < 256; j += 64)
        _mm_prefetch(reinterpret_cast<const char*>(from + i + j + AHEAD), _MM_HINT_T0);
#pragma GCC unroll 8
    for (std::size_t j = 0; j < 8; ++j)
      sum[j] = _mm256_add_epi64(sum[j], _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i + 32 * j)));
  }
  for (int j = 1; j < 8; ++j) sum[0] = _mm256_add_epi64(sum[0], sum[j]);
  return static_cast<std::uint64_t>(_mm256_extract_epi64(sum[0], 0));
}

// Twelve sums, so that one is never waited for. Returned so that the loop is not left out.
CP_AVX2 double float_avx2() {
  __m256 sum[12];
  for (__m256& s : sum) s = _mm256_set1_ps(1.f);
  __m256 a = _mm256_set1_ps(0.999f);
  for (std::int64_t i = 0; i < kLoops; ++i) {
    asm volatile("" : "+x"(a));
#pragma GCC unroll 12
    for (__m256& s : sum) s = _mm256_fmadd_ps(s, a, a);
  }
  for (__m256& s : sum) a = _mm256_add_ps(a, s);
  return static_cast<double>(_mm256_cvtss_f32(a));
}

CP_AVX512 double float_avx512() {
  __m512 sum[12];
  for (__m512& s : sum) s = _mm512_set1_ps(1.f);
  __m512 a = _mm512_set1_ps(0.999f);
  for (std::int64_t i = 0; i < kLoops; ++i) {
    asm volatile("" : "+v"(a));
#pragma GCC unroll 12
    for (__m512& s : sum) s = _mm512_fmadd_ps(s, a, a);
  }
  for (__m512& s : sum) a = _mm512_add_ps(a, s);
  return static_cast<double>(_mm512_cvtss_f32(a));
}

CP_AVX2 double int8_avx2() {
  __m256i sum[12];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(3);
  const __m256i one = _mm256_set1_epi16(1);
  for (std::int64_t i = 0; i < kLoops; ++i) {
    asm volatile("" : "+x"(a));
#pragma GCC unroll 12
    for (__m256i& s : sum)
      s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, _mm256_xor_si256(a, s)), one));
  }
  for (__m256i& s : sum) a = _mm256_add_epi32(a, s);
  return _mm256_extract_epi32(a, 0);
}

CP_AVX2_VNNI double int8_avx2_vnni() {
  __m256i sum[12];
  for (__m256i& s : sum) s = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(3);
  for (std::int64_t i = 0; i < kLoops; ++i) {
    asm volatile("" : "+x"(a));
#pragma GCC unroll 12
    for (__m256i& s : sum) s = _mm256_dpbusd_avx_epi32(s, a, a);
  }
  for (__m256i& s : sum) a = _mm256_add_epi32(a, s);
  return _mm256_extract_epi32(a, 0);
}

CP_AVX512 double int8_avx512() {
  __m512i sum[12];
  for (__m512i& s : sum) s = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi8(3);
  for (std::int64_t i = 0; i < kLoops; ++i) {
    asm volatile("" : "+v"(a));
#pragma GCC unroll 12
    for (__m512i& s : sum) s = _mm512_dpbusd_epi32(s, a, a);
  }
  for (__m512i& s : sum) a = _mm512_add_epi32(a, s);
  return _mm512_reduce_add_epi32(a);
}

CP_AVX512_BF16 double bf16_avx512() {
  __m512 sum[12];
  for (__m512& s : sum) s = _mm512_setzero_ps();
  __m512i a = _mm512_set1_epi16(0x3f80);
  for (std::int64_t i = 0; i < kLoops; ++i) {
    asm volatile("" : "+v"(a));
#pragma GCC unroll 12
    for (__m512& s : sum)
      s = _mm512_dpbf16_ps(s, reinterpret_cast<const __m512bh&>(a), reinterpret_cast<const __m512bh&>(a));
  }
  for (int j = 1; j < 12; ++j) sum[0] = _mm512_add_ps(sum[0], sum[j]);
  return static_cast<double>(_mm512_cvtss_f32(sum[0]));
}

CP_AMX double bf16_amx() {
  _tile_loadconfig(&kTiles);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::int64_t i = 0; i < kLoops / 16; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 0;
}
#endif

// 1e9 operations a second of all threads, the best round.
double rate(double (*loop)(), double operations) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  const std::size_t threads = static_cast<std::size_t>(thread_pool().threads());
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = Clock::now();
    thread_pool().run(threads,
                      [&](std::size_t) { sink += static_cast<std::uint64_t>(static_cast<std::int64_t>(loop()) & 1); });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    best = std::max(best, operations * static_cast<double>(threads) / seconds / 1e9);
  }
  return best;
}

}  // namespace

double read_ceiling() {
  constexpr std::size_t kBytes = std::size_t{256} << 20, kPiece = std::size_t{1} << 20;
  WeightArena arena;
  WeightBytes bytes = arena.take(kBytes);
  std::fill_n(bytes.data(), kBytes, std::uint8_t{1});
  using Read = std::uint64_t (*)(const std::uint8_t*, std::size_t);
  Read ways[] = {read_plain, read_plain};
#if CP_HAVE_AVX2
  if (simd() != Simd::scalar) ways[0] = read_avx2<0>, ways[1] = read_avx2<4096>;
#endif
  double best = 0;
  for (int round = 0; round < 2 * kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    thread_pool().run_ranges(kBytes, kPiece, [&](std::size_t first, std::size_t last) {
      sink += ways[round % 2](bytes.data() + first, last - first);
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, static_cast<double>(kBytes) / seconds / 1e9);
  }
  return best;
}

double float_ceiling() {
#if CP_HAVE_AVX2
  if (int_dot() == IntDot::avx512_vnni) return rate(float_avx512, 2.0 * 16 * 12 * kLoops);
  if (simd() != Simd::scalar) return rate(float_avx2, 2.0 * 8 * 12 * kLoops);
#endif
  return 0;
}

double int8_ceiling() {
#if CP_HAVE_AVX2
  if (int_dot() == IntDot::avx512_vnni) return rate(int8_avx512, 2.0 * 64 * 12 * kLoops);
  if (int_dot() == IntDot::avx2_vnni) return rate(int8_avx2_vnni, 2.0 * 32 * 12 * kLoops);
  if (int_dot() == IntDot::avx2) return rate(int8_avx2, 2.0 * 32 * 12 * kLoops);
#endif
  return 0;
}

double bf16_ceiling() {
#if CP_HAVE_AVX2
  if (bf16_dot() == Bf16Dot::amx) return rate(bf16_amx, 2.0 * 16 * 16 * 32 * 4 * (kLoops / 16));
  if (bf16_dot() == Bf16Dot::avx512) return rate(bf16_avx512, 2.0 * 32 * 12 * kLoops);
#endif
  return 0;
}

}  // namespace cp
