#pragma once
// In:  NF4 codes and scales as formats/nf4.h lays them out, by pointer.
// Out: what one thread (unpacking) or one warp (products) computes: templates that nvcc compiles for the device and any
//      C++ compiler for the host, where a test runs the same lines without a GPU (tests/kernels/host_warp.h).
// Not here: grids, streams, checks of sizes (nf4_cuda.cu).

#include <cstdint>

#ifdef __CUDACC__
#define CP_ON_BOTH __host__ __device__
#else
#define CP_ON_BOTH
#endif

namespace cp {

// Template arguments:
//   Memory  pairs4(codes): 4 bytes of codes, little-endian, from an address that is a multiple of 4;
//           load(from), store(to, value): one T as float32, rounded to nearest even;
//           load8, store8: 8 of them, from an address that is a multiple of 16.
//   Warp    each(f): f(lane, sum) for the 32 lanes, where float sum[M] lives on between calls;
//           add_up(): afterwards every lane's sum is the sum over all lanes.
inline constexpr int kLanes = 32, kEight = 8, kNf4Block = 64;

struct Nf4Codes {
  const std::uint8_t* codes;  // even flat index in the high nibble
  const float* scales;        // one a block of 64 flat indices
  const float* map;           // (16), rising
};

// Code i of the bytes in `pairs`.
CP_ON_BOTH inline unsigned nf4_code(unsigned pairs, int i) {
  return pairs >> (8 * (i / 2) + (i % 2 == 0 ? 4 : 0)) & 15u;
}

// ---- Unpacking ------------------------------------------------------------------------------------------------------

// Flat indices 8 chunk .. 8 chunk + 7, as far as they lie in [first, end): out[flat - first] = map[code] * scale.
template <class Memory, class T>
CP_ON_BOTH void nf4_unpack_eight(const Nf4Codes& w, std::int64_t first, std::int64_t end, std::int64_t chunk, T* out) {
  const std::int64_t begin = chunk * kEight, stop = begin + kEight;
  if (begin >= first && stop <= end && first % kEight == 0) {
    const unsigned pairs = Memory::pairs4(w.codes + begin / 2);
    const float scale = w.scales[begin / kNf4Block];
    float value[kEight];
    for (int i = 0; i < kEight; ++i) value[i] = w.map[nf4_code(pairs, i)] * scale;
    Memory::store8(out + (begin - first), value);
    return;
  }
  for (std::int64_t flat = begin < first ? first : begin; flat < (stop < end ? stop : end); ++flat)
    Memory::store(out + (flat - first),
                  w.map[nf4_code(w.codes[flat / 2], static_cast<int>(flat % 2))] * w.scales[flat / kNf4Block]);
}

// ---- Products of few rows
// --------------------------------------------------------------------------------------------

template <class T>
struct Nf4Product {
  Nf4Codes w;  // (out in)
  const T* x;  // (m in)
  T* y;        // (m out)
  int m, in, out;
  bool by_eight;  // from nf4_by_eight()
};

// Whether rows of `in` values at `x` can be read eight at a time: each row of codes begins a byte that is a multiple of
// 4, eight codes share a block's scale, and x is aligned.
inline bool nf4_by_eight(const void* x, int in) {
  return in % kEight == 0 && reinterpret_cast<std::uintptr_t>(x) % 16 == 0;
}

// A lane's part of row n: sum[i] = part of x[i] . W[n]. Rows of x from m on repeat the last one.
template <int M, class Memory, class T>
CP_ON_BOTH void nf4_lane_sums(const Nf4Product<T>& p, std::int64_t n, int lane, float (&sum)[M]) {
  const T* x[M];
  for (int i = 0; i < M; ++i) {
    sum[i] = 0;
    x[i] = p.x + static_cast<std::int64_t>(i < p.m ? i : p.m - 1) * p.in;
  }
  const std::int64_t row = n * p.in;
  if (!p.by_eight) {
    for (int k = lane; k < p.in; k += kLanes) {
      const std::int64_t flat = row + k;
      const float value =
          p.w.map[nf4_code(p.w.codes[flat / 2], static_cast<int>(flat % 2))] * p.w.scales[flat / kNf4Block];
      for (int i = 0; i < M; ++i) sum[i] += value * Memory::load(x[i] + k);
    }
    return;
  }
  for (int k = kEight * lane; k < p.in; k += kEight * kLanes) {
    const unsigned pairs = Memory::pairs4(p.w.codes + (row + k) / 2);
    const float scale = p.w.scales[(row + k) / kNf4Block];
    float value[kEight];
    for (int j = 0; j < kEight; ++j) value[j] = p.w.map[nf4_code(pairs, j)];
    for (int i = 0; i < M; ++i) {
      float from[kEight], part = 0;
      Memory::load8(x[i] + k, from);
      for (int j = 0; j < kEight; ++j) part += value[j] * from[j];
      sum[i] += part * scale;
    }
  }
}

// y[i][n] = x[i] . W[n] for all i below m, which is at most M. One warp.
template <int M, class Memory, class Warp, class T>
CP_ON_BOTH void nf4_row_products(Warp& warp, const Nf4Product<T>& p, std::int64_t n) {
  warp.each([&](int lane, float(&sum)[M]) { nf4_lane_sums<M, Memory>(p, n, lane, sum); });
  warp.add_up();
  warp.each([&](int lane, float(&sum)[M]) {
    if (lane != 0) return;
    for (int i = 0; i < M; ++i)
      if (i < p.m) Memory::store(p.y + static_cast<std::int64_t>(i) * p.out + n, sum[i]);
  });
}

}  // namespace cp
