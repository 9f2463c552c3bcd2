#include "kernels/cpu.h"

#include <fstream>
#include <string>

#include "support/test_support.h"

namespace cp {
namespace {

TEST(Cpu, FastBfloat16IsWhatTheSystemLists) {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line) && !line.starts_with("flags")) {
  }
  if (line.empty()) GTEST_SKIP() << "/proc/cpuinfo lists no flags here";
  EXPECT_EQ(bf16_products_are_fast(), (line + " ").find(" avx512_bf16 ") != std::string::npos);
}

}  // namespace
}  // namespace cp
