// In:  the arguments of kernels/nf4_cuda.h.
// Out: what to do, where nvcc was not found (nf4_cuda.cu has the functions themselves).
// Not here: anything else.

#include "core/error.h"
#include "kernels/nf4_cuda.h"

namespace cp {
namespace {

[[noreturn]] void absent() {
  throw UserError(
      ErrorKind::usage, "CUDA", "this build has no CUDA kernels.",
      "Use the device \"cpu\", or install the CUDA toolkit and build with -DCP_WITH_CUDA=ON (docs/cuda.md).");
}

}  // namespace

bool cuda_kernels_built() { return false; }

void nf4_cuda_unpack(const Nf4OnCuda&, int, int, CudaValue, void*, CudaStream) { absent(); }

void nf4_cuda_small_batch(const Nf4OnCuda&, const void*, int, CudaValue, void*, CudaStream) { absent(); }

}  // namespace cp
