#include "core/error.h"
#include "learn/device_cuda.h"

namespace cp {

void limit_cuda_memory(at::Device, std::int64_t, std::int64_t) {
  throw UserError(ErrorKind::usage, "memory limit", "this build cannot limit a GPU's memory.",
                  "Leave the limit out, or build with a CUDA LibTorch and the CUDA toolkit (docs/cuda.md).");
}

}  // namespace cp
