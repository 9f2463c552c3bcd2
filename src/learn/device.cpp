#include "learn/device.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <new>

#include <fmt/format.h>

#include "core/error.h"
#include "kernels/nf4_cuda.h"
#include "learn/device_cuda.h"

namespace cp {

namespace {

// "VmRSS:    1234 kB" of /proc/self/status, in bytes.
std::int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  throw UserError(ErrorKind::memory, "/proc/self/status", "wanted a line " + key + ", found none.",
                  "Memory can only be measured on Linux with /proc mounted.");
}

// Between the words of failed allocations that come as a plain exception: LibTorch's CPU allocator, cuBLAS, the driver.
constexpr std::array kOutOfMemory = {"DefaultCPUAllocator: can't allocate memory",
                                     "DefaultCPUAllocator: not enough memory", "CUBLAS_STATUS_ALLOC_FAILED",
                                     "CUDNN_STATUS_ALLOC_FAILED", "CUDA error: out of memory"};

std::string mib(std::int64_t bytes) { return fmt::format("{:.0f} MiB", static_cast<double>(bytes) / (1 << 20)); }

void want_room(std::int64_t bytes, std::int64_t used) {
  if (bytes > used) return;
  throw UserError(ErrorKind::memory, "memory limit",
                  fmt::format("{} are in use already, wanted at most {}.", mib(used), mib(bytes)),
                  "Raise the limit, or take a smaller model, batch or precision.");
}

at::Device cuda_device(const std::string& text, int index) {
  const auto refuse = [&](const std::string& what, const std::string& hint) {
    return UserError(ErrorKind::usage, "device " + text, what, hint);
  };
  if (!at::hasCUDA())
    throw refuse("the LibTorch of this build has no CUDA.",
                 "Use cpu, or build with a CUDA LibTorch: set CP_TORCH_ROOT to one (docs/cuda.md).");
  if (!cuda_kernels_built())
    throw refuse("this build has no CUDA kernels.",
                 "Use cpu, or install the CUDA toolkit and build with -DCP_WITH_CUDA=ON (docs/cuda.md).");
  const int count = static_cast<int>(at::getNumGPUs());
  if (count == 0)
    throw refuse("no GPU was found.", "Use cpu, or look at nvidia-smi: the driver must be loaded, and new enough.");
  if (index >= count)
    throw refuse(fmt::format("this machine has {} GPU{}, cuda:0 to cuda:{}.", count, count == 1 ? "" : "s", count - 1),
                 "Name one of them.");
  at::globalContext().lazyInitDevice(at::kCUDA);  // or the allocator knows no device yet
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

}  // namespace

at::Device parse_device(const std::string& text) {
  if (text == "cpu") return at::kCPU;
  if (text == "cuda") return cuda_device(text, 0);
  const std::string prefix = "cuda:";
  if (text.starts_with(prefix)) {
    int index = -1;
    const char *from = text.data() + prefix.size(), *end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(from, end, index);
    if (status == std::errc() && stop == end && index >= 0 && index <= 127) return cuda_device(text, index);
  }
  throw UserError(ErrorKind::usage, "device", fmt::format("wanted cpu, cuda or cuda:N, found \"{}\".", text),
                  "N counts the GPUs from 0.");
}

MemoryStats device_memory(at::Device device) {
  if (device.is_cpu()) return {status_bytes("VmRSS"), status_bytes("VmHWM")};
  const auto bytes = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index()).allocated_bytes;
  const auto& all = bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  return {all.current, all.peak};
}

void limit_device_memory(at::Device device, std::int64_t bytes) {
  CP_CHECK(bytes > 0, "limit_device_memory: nothing is allowed");
  if (device.is_cpu()) {
    want_room(bytes, status_bytes("VmData"));
    rlimit limit{};
    getrlimit(RLIMIT_DATA, &limit);
    limit.rlim_cur = static_cast<rlim_t>(bytes);
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
      throw UserError(ErrorKind::memory, "memory limit",
                      fmt::format("cannot be set to {}: {}.", mib(bytes), std::strerror(errno)),
                      "Stay below the hard limit of the shell (ulimit -H -d).");
    return;
  }
  const c10::DeviceGuard guard(device);
  c10::DeviceAllocator* allocator = c10::getDeviceAllocator(device.type());
  const auto total = static_cast<std::int64_t>(allocator->getMemoryInfo(device.index()).second);
  want_room(bytes, device_memory(device).current);
  if (bytes > total)
    throw UserError(ErrorKind::memory, "memory limit",
                    fmt::format("wanted {}, the GPU has {}.", mib(bytes), mib(total)), "Lower the limit.");
  limit_cuda_memory(device, bytes, total);
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error)) return true;
  const std::string_view what = error.what();
  for (const char* words : kOutOfMemory)
    if (what.find(words) != std::string_view::npos) return true;
  return false;
}

}  // namespace cp
