#pragma once
// In:  nothing.
// Out: the memory and the warp that kernels/cuda/nf4_body.h is written for, on the host: values in 16 bits, accesses
// that
//      must be aligned, 32 lanes one after the other between two exchanges.
// Not here: the tests.

#include <cstring>

#include "core/error.h"
#include "formats/safetensors.h"
#include "kernels/cuda/nf4_body.h"

namespace cp::test {

struct Half {
  std::uint16_t bits;
};
struct Bfloat {
  std::uint16_t bits;
};

inline float widen(Half v) { return half_to_float(v.bits); }
inline float widen(Bfloat v) { return bfloat_to_float(v.bits); }
inline float widen(float v) { return v; }
template <class T>
T narrow(float v) {
  if constexpr (std::is_same_v<T, Half>) return {float_to_half(v)};
  if constexpr (std::is_same_v<T, Bfloat>) return {float_to_bfloat(v)};
  if constexpr (std::is_same_v<T, float>) return v;
}

struct HostMemory {
  static void want_aligned(const void* at, std::uintptr_t to) {
    CP_CHECK(reinterpret_cast<std::uintptr_t>(at) % to == 0, "a GPU would refuse this address");
  }
  static unsigned pairs4(const std::uint8_t* from) {
    want_aligned(from, 4);
    return from[0] | from[1] << 8 | from[2] << 16 | static_cast<unsigned>(from[3]) << 24;
  }
  template <class T>
  static float load(const T* from) {
    return widen(*from);
  }
  template <class T>
  static void store(T* to, float value) {
    *to = narrow<T>(value);
  }
  template <class T>
  static void load8(const T* from, float (&to)[kEight]) {
    want_aligned(from, 16);
    for (int i = 0; i < kEight; ++i) to[i] = widen(from[i]);
  }
  template <class T>
  static void store8(T* to, const float (&from)[kEight]) {
    want_aligned(to, 16);
    for (int i = 0; i < kEight; ++i) to[i] = narrow<T>(from[i]);
  }
};

// `last` is where the exchange ends: 1 as on the GPU, 2 for a warp with a fault.
template <int M, int last = 1>
struct HostWarp {
  float state[kLanes][M];
  template <class F>
  void each(const F& f) {
    for (int lane = 0; lane < kLanes; ++lane) f(lane, state[lane]);
  }
  void add_up() {
    for (int offset = kLanes / 2; offset >= last; offset /= 2) {
      float before[kLanes][M];
      std::memcpy(before, state, sizeof state);
      for (int lane = 0; lane < kLanes; ++lane)
        for (int i = 0; i < M; ++i) state[lane][i] += before[lane ^ offset][i];
    }
  }
};

}  // namespace cp::test
