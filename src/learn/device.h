#pragma once
// In:  "cpu", "cuda" or "cuda:1"; a limit in bytes.
// Out: the device, its memory in use and at the peak, a cap on it, and whether an exception says that it ran out.
// Not here: what is put there (frozen_linear.h, train.h).

#include <cstdint>
#include <exception>
#include <string>

#include "learn/torch.h"

namespace cp {

// Throws UserError(usage) for another word, and where LibTorch has no CUDA, no GPU is found, the index is too large or
// this program was built without its CUDA kernels, saying what to do.
at::Device parse_device(const std::string& text);

struct MemoryStats {
  std::int64_t current = 0, peak = 0;  // bytes
};

// CPU: resident memory of this process (VmRSS, VmHWM). GPU: what LibTorch's tensors take; the CUDA context and
// libraries (0.3 to 0.5 GB) are not in it.
MemoryStats device_memory(at::Device device);

// From now on allocations that would take the process (CPU: RLIMIT_DATA, private writable memory) or LibTorch's
// allocator (GPU: tensors and what it keeps for later) past `bytes` fail. Throws UserError(memory) when more than that
// is in use already, or the limit cannot be set.
void limit_device_memory(at::Device device, std::int64_t bytes);

// Whether the exception is a failed allocation, on whatever device.
bool is_out_of_memory(const std::exception& error);

}  // namespace cp
