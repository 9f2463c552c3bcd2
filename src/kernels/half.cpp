#include "kernels/half.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cpu.h"

#if CP_HAVE_AVX2
#include <immintrin.h>
#endif

namespace cp {

namespace {

float widen_one(std::uint16_t h) {
  const std::uint32_t sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3FFu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13) | (fraction ? 0x400000u : 0u));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float tiny = static_cast<float>(fraction) * 0x1.0p-24f;  // zero and subnormals
  return sign ? -tiny : tiny;
}

#if CP_HAVE_AVX2
CP_AVX2 std::size_t widen_avx2(const unsigned char* from, std::size_t n, float* out) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * i))));
  return i;
}
#endif

}  // namespace

void widen_half(const void* half, std::size_t n, float* out) {
  const unsigned char* from = static_cast<const unsigned char*>(half);
  std::size_t i = 0;
#if CP_HAVE_AVX2
  if (simd() >= Simd::avx2) i = widen_avx2(from, n, out);
#endif
  for (; i < n; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    out[i] = widen_one(bits);
  }
}

std::uint16_t narrow_half(float value) {
  const unsigned sign = std::signbit(value) ? 0x8000u : 0u;
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(sign | 0x7E00u);
  if (magnitude >= 65520.f) return static_cast<std::uint16_t>(sign | 0x7C00u);
  const int exponent = magnitude < 0x1p-14f ? -14 : std::ilogb(magnitude);
  // In units of the last place; 1024 of them carry into the next exponent by themselves.
  const unsigned units = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  return static_cast<std::uint16_t>(sign | (static_cast<unsigned>(exponent + 14) * 1024u + units));
}

}  // namespace cp
