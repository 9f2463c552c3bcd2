#include "kernels/cpu.h"

#include <algorithm>
#include <atomic>
#include <initializer_list>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace cp {

namespace {

#if CP_HAVE_AVX2
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

Simd best() {
#if CP_HAVE_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    return has_avx512() ? Simd::avx512 : Simd::avx2;
#endif
  return Simd::scalar;
}

std::atomic<Simd>& current() {
  static std::atomic<Simd> level{best()};
  return level;
}

bool has(IntDot way) {
#if CP_HAVE_AVX2
  if (way != IntDot::scalar && best() < Simd::avx2) return false;
  if (way == IntDot::avx2_vnni) return __builtin_cpu_supports("avxvnni");
  if (way == IntDot::avx512_vnni)
    return has_avx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
  return true;
#else
  return way == IntDot::scalar;
#endif
}

// Linux gives a process the tiles' registers when it asks for them (ARCH_REQ_XCOMP_PERM, feature 18: XTILEDATA).
bool tiles_are_permitted() {
#if defined(__linux__) && defined(SYS_arch_prctl) && CP_HAVE_AVX2
  constexpr int kRequest = 0x1023, kTileData = 18;
  static const bool permitted = ::syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  return permitted;
#else
  return false;
#endif
}

bool has(Bf16Dot way) {
#if CP_HAVE_AVX2
  if (way == Bf16Dot::widened) return true;
  if (best() < Simd::avx2 || !has_avx512() || !__builtin_cpu_supports("avx512bf16")) return false;
  if (way == Bf16Dot::avx512) return true;
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && tiles_are_permitted();
#else
  return way == Bf16Dot::widened;
#endif
}

template <class Way>
Way best_of(std::initializer_list<Way> falling) {
  for (const Way way : falling)
    if (has(way)) return way;
  return Way{};
}

std::atomic<IntDot>& current_int_dot() {
  static std::atomic<IntDot> way{best_of({IntDot::avx512_vnni, IntDot::avx2_vnni, IntDot::avx2})};
  return way;
}

std::atomic<Bf16Dot>& current_bf16_dot() {
  static std::atomic<Bf16Dot> way{best_of({Bf16Dot::amx, Bf16Dot::avx512})};
  return way;
}

}  // namespace

Simd simd() { return current().load(std::memory_order_relaxed); }

const char* simd_name(Simd level) {
  constexpr const char* kNames[] = {"scalar", "avx2", "avx512"};
  return kNames[static_cast<int>(level)];
}

void set_simd(Simd level) { current() = std::min(level, best()); }

bool bf16_products_are_fast() {
#if CP_HAVE_AVX2
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

IntDot int_dot() { return simd() == Simd::scalar ? IntDot::scalar : current_int_dot().load(std::memory_order_relaxed); }

const char* int_dot_name(IntDot way) {
  constexpr const char* kNames[] = {"scalar", "avx2", "avx2_vnni", "avx512_vnni"};
  return kNames[static_cast<int>(way)];
}

bool set_int_dot(IntDot way) {
  if (has(way)) current_int_dot() = way;
  return has(way);
}

Bf16Dot bf16_dot() {
  return simd() == Simd::scalar ? Bf16Dot::widened : current_bf16_dot().load(std::memory_order_relaxed);
}

const char* bf16_dot_name(Bf16Dot way) {
  constexpr const char* kNames[] = {"widened", "avx512", "amx"};
  return kNames[static_cast<int>(way)];
}

bool set_bf16_dot(Bf16Dot way) {
  if (has(way)) current_bf16_dot() = way;
  return has(way);
}

}  // namespace cp
