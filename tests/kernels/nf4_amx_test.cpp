#include "kernels/nf4_amx.h"

#include <bit>
#include <cmath>

#include "core/rng.h"
#include "kernels/cpu.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

// Sums of up to 192 products in float32, then one rounding to 8 bits.
const Tol kRounded = Tol::rel(1.0 / 256, "one rounding to bfloat16 beside the largest value");

float widen(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
std::uint16_t narrow(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

std::vector<std::uint16_t> random_rows(std::size_t n, std::uint64_t sample) {
  Rng rng(5, Stream::test, 0, sample);
  std::vector<std::uint16_t> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(narrow(static_cast<float>(rng.normal())));
  return out;
}

Nf4Matrix random_matrix(int out, int in) {
  Rng rng(5, Stream::test, 1, static_cast<std::uint64_t>(out));
  Nf4Matrix w{out, in, {}, {}, {}};
  for (int i = 0; i < out * in / 2; ++i) w.codes.push_back(static_cast<std::uint8_t>(rng.bits()));
  for (int i = 0; i < out * in / 64; ++i) w.scales.push_back(static_cast<float>(0.01 + rng.uniform()));
  for (std::size_t i = 0; i < 16; ++i) w.map[i] = static_cast<float>(-1 + 2.0 * static_cast<double>(i) / 15 + 0.013);
  return w;
}

// In double, with every weight as nf4_unpack_bf16 rounds it. `swapped`: the two codes of a byte change places.
std::vector<float> expected(const std::vector<std::uint16_t>& x, int m, const Nf4Matrix& w, bool backward,
                            bool swapped = false) {
  Nf4Matrix read = w;
  if (swapped)
    for (std::uint8_t& byte : read.codes) byte = static_cast<std::uint8_t>(byte << 4 | byte >> 4);
  std::vector<std::uint16_t> unpacked(static_cast<std::size_t>(w.out) * static_cast<std::size_t>(w.in));
  nf4_unpack_bf16(read, 0, w.out, unpacked);
  const int columns = backward ? w.in : w.out, depth = backward ? w.out : w.in;
  std::vector<float> y;
  for (int row = 0; row < m; ++row)
    for (int c = 0; c < columns; ++c) {
      double sum = 0;
      for (int d = 0; d < depth; ++d)
        sum += static_cast<double>(widen(x[static_cast<std::size_t>(row * depth + d)])) *
               static_cast<double>(widen(unpacked[static_cast<std::size_t>(backward ? d * w.in + c : c * w.in + d)]));
      y.push_back(static_cast<float>(sum));
    }
  return y;
}

std::vector<float> run(const std::vector<std::uint16_t>& x, int m, const Nf4Matrix& w, bool backward,
                       std::vector<std::pair<int, int>> parts) {
  const int columns = backward ? w.in : w.out;
  std::vector<std::uint16_t> y(static_cast<std::size_t>(m) * static_cast<std::size_t>(columns), 0x7fc0);  // NaN
  for (const auto& [first, count] : parts) (backward ? nf4_amx_backward : nf4_amx_forward)(x, m, w, first, count, y);
  std::vector<float> out;
  for (const std::uint16_t bits : y) out.push_back(widen(bits));
  return out;
}

class Nf4Amx : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (bf16_dot() != Bf16Dot::amx) GTEST_SKIP() << "no AMX on this processor, or the system refuses it";
  }
};

TEST_P(Nf4Amx, EqualsTheProductInDouble) {
  const bool backward = GetParam();
  for (const auto& [out, in] : {std::pair(32, 64), std::pair(96, 192), std::pair(160, 64)})
    for (const int m : {1, 15, 16, 31, 32, 33, 70}) {
      const Nf4Matrix w = random_matrix(out, in);
      const auto x = random_rows(static_cast<std::size_t>(m * (backward ? out : in)), static_cast<std::uint64_t>(m));
      const int columns = backward ? in : out;
      const std::vector<float> y = run(x, m, w, backward, {{0, columns}});
      EXPECT_TRUE(close("product", y, expected(x, m, w, backward), kRounded)) << out << " x " << in << ", " << m;
      EXPECT_FALSE(close("product", y, expected(x, m, w, backward, true), kRounded)) << "swapped codes are seen";
      if (columns == 32) continue;
      EXPECT_EQ(run(x, m, w, backward, {{32, columns - 32}, {0, 32}}), y) << "parts make the whole";
    }
}

// More columns than stay in the cache at once.
TEST_P(Nf4Amx, GroupsOfColumnsAreOneProduct) {
  const bool backward = GetParam();
  const Nf4Matrix w = backward ? random_matrix(4864, 320) : random_matrix(320, 4864);
  const int m = 34, columns = 320;
  const auto x = random_rows(static_cast<std::size_t>(m * 4864), 9);
  const std::vector<float> y = run(x, m, w, backward, {{0, columns}});
  EXPECT_TRUE(close("product", y, expected(x, m, w, backward), kRounded));
  EXPECT_EQ(run(x, m, w, backward, {{0, 160}, {160, 160}}), y);
}

INSTANTIATE_TEST_SUITE_P(BothWays, Nf4Amx, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Backward" : "Forward"; });

TEST(Nf4AmxShapes, OnlyWholeTilesFit) {
  EXPECT_FALSE(nf4_amx_fits(random_matrix(48, 64)));
  Nf4Matrix odd = random_matrix(32, 64);
  odd.in = 96;
  EXPECT_FALSE(nf4_amx_fits(odd));
  EXPECT_EQ(nf4_amx_fits(random_matrix(32, 64)), bf16_dot() == Bf16Dot::amx);
}

}  // namespace
}  // namespace cp
