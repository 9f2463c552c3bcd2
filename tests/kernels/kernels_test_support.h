#pragma once
// In:  sizes.
// Out: random inputs that are the same everywhere; the scalar path switched on for the length of a scope.
// Not here: the tests.

#include <vector>

#include "core/rng.h"
#include "kernels/cpu.h"
#include "support/test_support.h"

namespace cp::test {

inline std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  Rng rng(seed, Stream::test);
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
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
