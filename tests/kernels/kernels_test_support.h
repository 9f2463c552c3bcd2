#pragma once
// In:  sizes.
// Out: random inputs that are the same everywhere; the scalar path switched on for the length of a scope.
// Not here: the tests.

#include <array>
#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "kernels/cpu.h"
#include "kernels/nf4.h"
#include "support/test_support.h"

namespace cp::test {

inline std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  Rng rng(seed, Stream::test);
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

// The real codebook's irregular steps, so that a wrong code is a wrong value.
inline constexpr std::array<float, 16> kNf4Map = {
    -1.0f,       -0.69619280f, -0.52507305f, -0.39491749f, -0.28444138f, -0.18477343f, -0.09105004f, 0.0f,
    0.07958030f, 0.16093020f,  0.24611230f,  0.33791524f,  0.44070983f,  0.56261700f,  0.72295684f,  1.0f};

inline Nf4Matrix random_nf4(int n, int k, std::uint64_t seed) {
  Rng rng(seed, Stream::test);
  Nf4Matrix w{n, k, {}, {}, kNf4Map};
  const std::size_t size = static_cast<std::size_t>(n * k);
  for (std::size_t i = 0; i < (size + 1) / 2; ++i) w.codes.push_back(static_cast<std::uint8_t>(rng.bits()));
  for (std::size_t i = 0; i < (size + 63) / 64; ++i) w.scales.push_back(static_cast<float>(rng.uniform(0.5, 2)));
  return w;
}

// Calls check(level) for every level of SIMD above the scalar code that the processor has; at least none, at most two.
template <class Check>
void at_each_level(const Check& check) {
  const Simd best = simd();
  for (const Simd level : {Simd::avx2, Simd::avx512}) {
    if (level > best) break;
    set_simd(level);
    SCOPED_TRACE(simd_name(level));
    check(level);
  }
  set_simd(best);
}

// Runs `call` once with the scalar code and once with the best that the processor has; returns both results.
template <class Call>
auto scalar_and_simd(const Call& call) {
  const Simd best = simd();
  set_simd(Simd::scalar);
  auto plain = call();
  set_simd(best);
  return std::pair(std::move(plain), call());
}

}  // namespace cp::test
