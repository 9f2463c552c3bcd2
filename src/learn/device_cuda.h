#pragma once
// In:  a GPU that parse_device() gave.
// Out: what needs CUDA's own headers: cuda/device_cuda.cpp where LibTorch and the toolkit have them, otherwise
//      cuda/device_cuda_absent.cpp, which throws UserError(usage).
// Not here: what LibTorch offers without them (device.cpp).

#include <cstdint>

#include "learn/torch.h"

namespace cp {

// LibTorch's allocator refuses to hold more than `bytes` of the GPU's `total`.
void limit_cuda_memory(at::Device device, std::int64_t bytes, std::int64_t total);

}  // namespace cp
