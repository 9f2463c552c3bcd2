#include "kernels/swiglu_bf16.h"

#include <bit>
#include <cmath>
#include <vector>

#include "core/rng.h"
#include "support/test_support.h"

namespace cp {
namespace {

float widen(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
std::uint16_t narrow(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

std::vector<std::uint16_t> random_values(std::size_t n, std::uint64_t sample, double scale) {
  Rng rng(8, Stream::test, 0, sample);
  std::vector<std::uint16_t> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(narrow(scale * rng.normal()));
  return out;
}

// At most one step of bfloat16 from the value in double: its rounding, where float32 falls to the other side.
::testing::AssertionResult near(std::uint16_t got, double want) {
  const double step = std::max(std::abs(want) / 128, 1e-36);  // below it lie numbers that float32 cannot hold
  if (std::abs(static_cast<double>(widen(got)) - want) <= step) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << widen(got) << " instead of " << want;
}

TEST(SwigluBf16, EqualsDoubleInAllLengths) {
  if (!swiglu_bf16_ready()) GTEST_SKIP() << "no AVX-512 with bfloat16 on this processor";
  int visited = 0;
  for (const std::size_t n : {1, 15, 16, 17, 64, 1000})
    for (const double scale : {0.5, 4.0, 60.0}) {
      const auto gate = random_values(n, n, scale), up = random_values(n, n + 1, 1), dy = random_values(n, n + 2, 1);
      std::vector<std::uint16_t> out(n), dgate(n), dup(n);
      swiglu_bf16(gate, up, out);
      swiglu_bf16_backward(gate, up, dy, dgate, dup);
      for (std::size_t i = 0; i < n; ++i, ++visited) {
        const double g = widen(gate[i]), u = widen(up[i]), d = widen(dy[i]), s = 1 / (1 + std::exp(-g));
        EXPECT_TRUE(near(out[i], g * s * u));
        EXPECT_TRUE(near(dgate[i], d * u * s * (1 + g * (1 - s))) || std::abs(d * u * s * (1 + g * (1 - s))) < 1e-6)
            << g;
        EXPECT_TRUE(near(dup[i], d * g * s));
      }
    }
  EXPECT_EQ(visited, 3 * 1113);
}

TEST(SwigluBf16, TheGradientIsThatOfTheFunction) {
  if (!swiglu_bf16_ready()) GTEST_SKIP() << "no AVX-512 with bfloat16 on this processor";
  const auto gate = random_values(64, 1, 2), up = random_values(64, 2, 1), dy = random_values(64, 3, 1);
  std::vector<std::uint16_t> dgate(64), dup(64);
  swiglu_bf16_backward(gate, up, dy, dgate, dup);
  const auto f = [](double g, double u) { return g / (1 + std::exp(-g)) * u; };
  double faults = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const double g = widen(gate[i]), u = widen(up[i]), d = widen(dy[i]), h = 1e-5;
    EXPECT_NEAR(widen(dgate[i]), d * (f(g + h, u) - f(g - h, u)) / (2 * h), 0.02);
    EXPECT_NEAR(widen(dup[i]), d * (f(g, u + h) - f(g, u - h)) / (2 * h), 0.02);
    faults += std::abs(widen(dgate[i]) - d * u / (1 + std::exp(-g)));  // a slope without its second term
  }
  EXPECT_GT(faults, 1);
}

TEST(SwigluBf16, NotANumberIsPassedOn) {
  if (!swiglu_bf16_ready()) GTEST_SKIP() << "no AVX-512 with bfloat16 on this processor";
  const std::vector<std::uint16_t> gate = {0x7fc0, 0x3f80}, up = {0x3f80, 0x7fc0};
  std::vector<std::uint16_t> out(2);
  swiglu_bf16(gate, up, out);
  for (const std::uint16_t bits : out) EXPECT_TRUE(std::isnan(widen(bits)));
}

}  // namespace
}  // namespace cp
