#include "kernels/ceilings.h"

#include <numeric>

#include "kernels/ceilings_loops.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

TEST(Ceilings, AreThereForWhatTheProcessorHas) {
  const Ceilings c = measure_ceilings(1, 1, std::size_t{1} << 22);
  EXPECT_EQ(c.threads, 1);
  EXPECT_GT(c.read_gb_s, 0.1);
  EXPECT_GT(c.fp32_gflop_s, 0.1);
  EXPECT_EQ(c.int8_gop_s > 0, int_dot() != IntDot::scalar);
  EXPECT_EQ(c.bf16_gflop_s > 0, bf16_dot() != Bf16Dot::widened);
}

TEST(Ceilings, TheSumReadsEveryWord) {
  std::vector<std::uint64_t> words(640);
  std::iota(words.begin(), words.end(), 1u);
  const auto [scalar, fast] = test::scalar_and_simd([&] { return sum_words(words.data(), words.size()); });
  EXPECT_EQ(scalar, 640u * 641u / 2);
  EXPECT_EQ(fast, scalar);
}

}  // namespace
}  // namespace cp
