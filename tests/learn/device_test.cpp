#include "learn/device.h"

#include <sys/mman.h>

#include <fstream>

#include "kernels/nf4_cuda.h"
#include "in_child.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::in_child;
using test::throws_user_error;

constexpr std::int64_t kMiB = 1 << 20;

std::int64_t data_bytes() {  // what RLIMIT_DATA counts
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmData:")) return std::stoll(line.substr(7)) * 1024;
  return 0;
}

TEST(Device, ParsesTheCpuAndRefusesOtherWords) {
  EXPECT_TRUE(parse_device("cpu").is_cpu());
  for (const char* text :
       {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:99999999999", "cuda:128", "cpu:0"})
    EXPECT_TRUE(throws_user_error([&] { parse_device(text); }, ErrorKind::usage, {"cpu, cuda or cuda:N", text}));
}

TEST(Device, SaysWhyThereIsNoGpu) {
  if (!at::hasCUDA())
    EXPECT_TRUE(throws_user_error([] { parse_device("cuda"); }, ErrorKind::usage, {"LibTorch", "CP_TORCH_ROOT"}));
  else if (!cuda_kernels_built())
    EXPECT_TRUE(throws_user_error([] { parse_device("cuda:0"); }, ErrorKind::usage, {"kernels", "CP_WITH_CUDA"}));
  else if (at::getNumGPUs() == 0)
    EXPECT_TRUE(throws_user_error([] { parse_device("cuda"); }, ErrorKind::usage, {"no GPU", "nvidia-smi"}));
  else
    EXPECT_TRUE(throws_user_error([] { parse_device("cuda:127"); }, ErrorKind::usage, {"cuda:127", "cuda:0 to"}));
}

TEST(Device, CudaKernelsThatWereNotBuiltSayWhatToDo) {
  if (cuda_kernels_built()) GTEST_SKIP() << "this build has the CUDA kernels";
  EXPECT_TRUE(throws_user_error([] { nf4_cuda_unpack({}, 0, 0, CudaValue::f16, nullptr, {}); }, ErrorKind::usage,
                                {"no CUDA kernels", "CP_WITH_CUDA"}));
  EXPECT_TRUE(throws_user_error([] { nf4_cuda_small_batch({}, nullptr, 1, CudaValue::f16, nullptr, {}); },
                                ErrorKind::usage, {"no CUDA kernels"}));
}

// Mapped directly: what an allocator keeps for later does not matter.
TEST(DeviceMemory, SeesMemoryComeAndGo) {
  EXPECT_TRUE(in_child([] {
    constexpr std::size_t kBytes = 64 * kMiB;
    const MemoryStats before = device_memory(at::kCPU);
    void* big = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (big == MAP_FAILED) return false;
    const MemoryStats with = device_memory(at::kCPU);
    ::munmap(big, kBytes);
    const MemoryStats after = device_memory(at::kCPU);
    return with.current > before.current + 60 * kMiB && after.current < with.current - 60 * kMiB &&
           after.peak >= with.current - 4 * kMiB && before.peak >= before.current - 4 * kMiB;
  }));
}

TEST(DeviceMemory, LimitMakesTensorsAndVectorsFailRecognisably) {
  EXPECT_TRUE(in_child([] {
    limit_device_memory(at::kCPU, data_bytes() + 128 * kMiB);
    const at::Tensor fits = at::ones({32 * kMiB}, at::kByte);
    int failed = 0;
    for (const bool tensor : {true, false}) try {
        tensor ? (void)at::ones({256 * kMiB}, at::kByte) : (void)std::vector<char>(256 * kMiB, 'x').size();
      } catch (const std::exception& error) {
        failed += is_out_of_memory(error);
      }
    return failed == 2;
  }));
  EXPECT_NO_THROW(at::ones({256 * kMiB}, at::kByte)) << "the twin: the limit stayed in the child";
}

TEST(DeviceMemory, LimitBelowWhatIsInUseIsRefused) {
  EXPECT_TRUE(throws_user_error([] { limit_device_memory(at::kCPU, 1 * kMiB); }, ErrorKind::memory,
                                {"in use already", "1 MiB"}));
}

TEST(DeviceMemory, OtherExceptionsAreNotOutOfMemory) {
  EXPECT_FALSE(is_out_of_memory(std::runtime_error("no memory of it")));
  try {
    at::ones({2, 3}).matmul(at::ones({2, 3}));
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_FALSE(is_out_of_memory(error));
  }
  EXPECT_TRUE(is_out_of_memory(std::runtime_error("CUDA error: out of memory\nCUDA kernel errors might be ...")));
}

}  // namespace
}  // namespace cp
