#pragma once
// In:  NF4 weights and activations in a GPU's memory.
// Out: unpacked rows and products of few rows there, on the caller's stream.
// Not here: memory of the GPU (learn/ has LibTorch's), the CPU's kernels (nf4.h).

#include <array>
#include <cstdint>

namespace cp {

// float16, bfloat16 or float32 in GPU memory; the arithmetic is in float32 on every device (compute capability 7.5 has
// no bfloat16 units).
enum class CudaValue { f16, bf16, f32 };

struct CudaStream {
  int device = 0;
  void* stream = nullptr;  // a cudaStream_t; null: the default one
};

// W (out in) as in nf4.h, with codes and scales in GPU memory (codes at a multiple of 4 bytes) and the map here.
struct Nf4OnCuda {
  int out = 0, in = 0;
  const std::uint8_t* codes = nullptr;
  const float* scales = nullptr;
  std::array<float, 16> map{};
};

// Whether this program was built with the kernels below. Without them each throws UserError(usage).
bool cuda_kernels_built();

// Rows first .. first + count - 1 of W, unpacked: out (count in) at a multiple of 16 bytes. Equal to the bit to
// nf4_unpack() rounded to nearest even. Throws std::runtime_error when the device refuses.
void nf4_cuda_unpack(const Nf4OnCuda& w, int first, int count, CudaValue dtype, void* out, CudaStream at);

// y (m out) = x (m in) W^T for m in 1..kNf4SmallBatch, both of `dtype`. Reads W once, never unpacked.
inline constexpr int kNf4SmallBatch = 8;
void nf4_cuda_small_batch(const Nf4OnCuda& w, const void* x, int m, CudaValue dtype, void* y, CudaStream at);

}  // namespace cp
