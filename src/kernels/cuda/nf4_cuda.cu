// In:  the arguments of kernels/nf4_cuda.h.
// Out: its functions, where nvcc was found.
// Not here: the arithmetic (nf4_body.h).

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <stdexcept>
#include <string>

#include "core/error.h"
#include "kernels/cuda/nf4_body.h"
#include "kernels/nf4_cuda.h"

namespace cp {
namespace {

constexpr int kThreads = 256,
              kWarps = 4;  // threads of a block that unpacks; warps, so rows of W, of one that multiplies

__device__ float widen(__half v) { return __half2float(v); }
__device__ float widen(__nv_bfloat16 v) { return __bfloat162float(v); }
__device__ float widen(float v) { return v; }
template <class T>
__device__ T narrow(float v);
template <>
__device__ __half narrow(float v) {
  return __float2half_rn(v);
}
template <>
__device__ __nv_bfloat16 narrow(float v) {
  return __float2bfloat16_rn(v);
}
template <>
__device__ float narrow(float v) {
  return v;
}

__device__ unsigned bits(__half v) { return __half_as_ushort(v); }
__device__ unsigned bits(__nv_bfloat16 v) { return __bfloat16_as_ushort(v); }

template <class T>
struct alignas(16) Eight {
  T value[kEight];
};

struct DeviceMemory {
  static __device__ unsigned pairs4(const std::uint8_t* from) { return *reinterpret_cast<const unsigned*>(from); }
  template <class T>
  static __device__ float load(const T* from) {
    return widen(*from);
  }
  template <class T>
  static __device__ void store(T* to, float value) {
    *to = narrow<T>(value);
  }
  template <class T>
  static __device__ void load8(const T* from, float (&to)[kEight]) {
    const Eight<T> all = *reinterpret_cast<const Eight<T>*>(from);
    for (int i = 0; i < kEight; ++i) to[i] = widen(all.value[i]);
  }
  // __stwb is a plain store, but one of 16 bytes: nvcc splits an assignment into its values.
  template <class T>
  static __device__ void store8(T* to, const float (&from)[kEight]) {
    const auto pair = [&](int i) { return bits(narrow<T>(from[i])) | bits(narrow<T>(from[i + 1])) << 16; };
    __stwb(reinterpret_cast<uint4*>(to), make_uint4(pair(0), pair(2), pair(4), pair(6)));
  }
  static __device__ void store8(float* to, const float (&from)[kEight]) {
    __stwb(reinterpret_cast<float4*>(to), make_float4(from[0], from[1], from[2], from[3]));
    __stwb(reinterpret_cast<float4*>(to) + 1, make_float4(from[4], from[5], from[6], from[7]));
  }
};

template <int M>
struct DeviceWarp {
  float mine[M];
  template <class F>
  __device__ void each(const F& f) {
    f(static_cast<int>(threadIdx.x) % kLanes, mine);
  }
  __device__ void add_up() {
    for (int offset = kLanes / 2; offset > 0; offset /= 2)
      for (int i = 0; i < M; ++i) mine[i] += __shfl_xor_sync(0xFFFFFFFFu, mine[i], offset);
  }
};

struct Map {
  float value[16];
};

// The map where 32 lanes can look up 32 different codes at once: 16 words lie in 16 banks.
__device__ void share_map(const Map& map, float (&shared)[16]) {
  if (threadIdx.x < 16) shared[threadIdx.x] = map.value[threadIdx.x];
  __syncthreads();
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    unpack_kernel(Nf4Codes w, Map map, std::int64_t first, std::int64_t end, T* out) {
  __shared__ float shared[16];
  share_map(map, shared);
  w.map = shared;
  const std::int64_t chunk = first / kEight + static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (chunk * kEight < end) nf4_unpack_eight<DeviceMemory>(w, first, end, chunk, out);
}

template <int M, class T>
__global__ void __launch_bounds__(kWarps* kLanes) products_kernel(Nf4Product<T> p, Map map) {
  __shared__ float shared[16];
  share_map(map, shared);
  p.w.map = shared;
  const std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.x / kLanes;
  if (n >= p.out) return;
  DeviceWarp<M> warp;
  nf4_row_products<M, DeviceMemory>(warp, p, n);
}

// ---- Launches -------------------------------------------------------------------------------------------------------

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

Nf4Codes codes_of(const Nf4OnCuda& w) { return {w.codes, w.scales, nullptr}; }

Map map_of(const Nf4OnCuda& w) {
  Map map;
  for (std::size_t i = 0; i < 16; ++i) map.value[i] = w.map[i];
  return map;
}

cudaStream_t use(CudaStream at) {
  check(cudaSetDevice(at.device), "cudaSetDevice");
  return static_cast<cudaStream_t>(at.stream);
}

template <class T>
void unpack(const Nf4OnCuda& w, std::int64_t first, std::int64_t end, void* out, cudaStream_t stream) {
  const std::int64_t chunks = (end + kEight - 1) / kEight - first / kEight;
  const auto blocks = static_cast<unsigned>((chunks + kThreads - 1) / kThreads);
  unpack_kernel<T><<<blocks, kThreads, 0, stream>>>(codes_of(w), map_of(w), first, end, static_cast<T*>(out));
}

template <int M, class T>
void multiply(const Nf4OnCuda& w, const Nf4Product<T>& p, cudaStream_t stream) {
  const unsigned blocks = static_cast<unsigned>((p.out + kWarps - 1) / kWarps);
  products_kernel<M><<<blocks, kWarps * kLanes, 0, stream>>>(p, map_of(w));
}

template <class T>
void small_batch(const Nf4OnCuda& w, const void* x, int m, void* y, cudaStream_t stream) {
  const Nf4Product<T> p{codes_of(w), static_cast<const T*>(x), static_cast<T*>(y), m, w.in,
                        w.out,       nf4_by_eight(x, w.in)};
  (m == 1   ? multiply<1, T>
   : m == 2 ? multiply<2, T>
   : m <= 4 ? multiply<4, T>
            : multiply<kNf4SmallBatch, T>)(w, p, stream);
}

}  // namespace

bool cuda_kernels_built() { return true; }

void nf4_cuda_unpack(const Nf4OnCuda& w, int first, int count, CudaValue dtype, void* out, CudaStream at) {
  CP_CHECK(first >= 0 && count >= 0 && first <= w.out - count, "nf4_cuda_unpack: no such rows");
  CP_CHECK(reinterpret_cast<std::uintptr_t>(out) % 16 == 0 && reinterpret_cast<std::uintptr_t>(w.codes) % 4 == 0,
           "nf4_cuda_unpack: not aligned");
  if (count == 0 || w.in == 0) return;
  const std::int64_t begin = static_cast<std::int64_t>(first) * w.in,
                     end = begin + static_cast<std::int64_t>(count) * w.in;
  const auto run = dtype == CudaValue::f16    ? unpack<__half>
                   : dtype == CudaValue::bf16 ? unpack<__nv_bfloat16>
                                              : unpack<float>;
  run(w, begin, end, out, use(at));
  check(cudaGetLastError(), "nf4_cuda_unpack");
}

void nf4_cuda_small_batch(const Nf4OnCuda& w, const void* x, int m, CudaValue dtype, void* y, CudaStream at) {
  CP_CHECK(m >= 1 && m <= kNf4SmallBatch && w.out > 0 && w.in > 0, "nf4_cuda_small_batch: no such size");
  CP_CHECK(reinterpret_cast<std::uintptr_t>(w.codes) % 4 == 0, "nf4_cuda_small_batch: not aligned");
  const auto run = dtype == CudaValue::f16    ? small_batch<__half>
                   : dtype == CudaValue::bf16 ? small_batch<__nv_bfloat16>
                                              : small_batch<float>;
  run(w, x, m, y, use(at));
  check(cudaGetLastError(), "nf4_cuda_small_batch");
}

}  // namespace cp
