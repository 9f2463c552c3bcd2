#include "kernels/cpu.h"

#include <atomic>

namespace cp {

namespace {

Simd best() {
#if CP_HAVE_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    return Simd::avx2;
#endif
  return Simd::scalar;
}

std::atomic<Simd>& current() {
  static std::atomic<Simd> level{best()};
  return level;
}

}  // namespace

Simd simd() { return current().load(std::memory_order_relaxed); }

const char* simd_name(Simd level) { return level == Simd::avx2 ? "avx2" : "scalar"; }

void set_simd(Simd level) { current() = level == Simd::avx2 ? best() : Simd::scalar; }

bool bf16_products_are_fast() {
#if CP_HAVE_AVX2
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace cp
