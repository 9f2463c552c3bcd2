#include <c10/cuda/CUDACachingAllocator.h>

#include "learn/device_cuda.h"

namespace cp {

void limit_cuda_memory(at::Device device, std::int64_t bytes, std::int64_t total) {
  c10::cuda::CUDACachingAllocator::setMemoryFraction(static_cast<double>(bytes) / static_cast<double>(total),
                                                     device.index());
}

}  // namespace cp
