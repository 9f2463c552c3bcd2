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

TEST(Cpu, LevelsAreNeverAboveWhatTheProcessorHas) {
  const Simd best = simd();
  for (const Simd level : {Simd::scalar, Simd::avx2, Simd::avx512}) {
    set_simd(level);
    EXPECT_EQ(simd(), std::min(level, best));
  }
  set_simd(best);
  EXPECT_STREQ(simd_name(Simd::avx512), "avx512");
}

}  // namespace
}  // namespace cp
