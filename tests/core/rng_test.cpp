#include "core/rng.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/test_support.h"

namespace cp {
namespace {

// The seed whose key is all zeros for Stream::test (15).
constexpr std::uint64_t kZeroKey = (std::uint64_t{15} << 32) | (15u * 0x9E3779B9u);

// Random123's kat_vectors, philox4x32-10 with counter 0 and key 0 (Salmon et al., SC 2011).
TEST(Rng, EqualsTheKnownAnswerOfPhilox) {
  Rng rng(kZeroKey, Stream::test);
  for (const std::uint32_t want : {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}) EXPECT_EQ(rng.bits(), want);
}

// Values of tests/oracle/core_philox.py (words) and tests/oracle/nano_random.py (normal numbers).
TEST(Rng, EqualsTheIndependentImplementationInEveryWordOfTheCounter) {
  Rng rng(0x123456789ABCDEF0u, Stream::test, 9, 0x0000000500000007u);
  for (const std::uint32_t want : {0x19849306u, 0x3c6386c2u, 0xf4acb079u, 0x425f2f01u, 0x954530a6u, 0x33b585c3u})
    EXPECT_EQ(rng.bits(), want);
  Rng normal(0x123456789ABCDEF0u, Stream::test, 0, 7);
  const std::vector<double> want{-1.34884071, -0.39476098, 2.31719985, -0.08226756};
  std::vector<double> got;
  for (int i = 0; i < 4; ++i) got.push_back(normal.normal());
  EXPECT_TRUE(test::close("normal", got, want, test::Tol::abs(1e-8, "the oracle prints 8 digits")));
}

TEST(Rng, DrawsDependOnEveryCoordinateAndOnNothingElse) {
  const auto first = [](std::uint64_t seed, Stream stream, std::uint32_t epoch, std::uint64_t sample) {
    return Rng(seed, stream, epoch, sample).bits();
  };
  const std::uint32_t base = first(1, Stream::test, 2, 3);
  EXPECT_EQ(base, first(1, Stream::test, 2, 3));
  EXPECT_NE(base, first(2, Stream::test, 2, 3));
  EXPECT_NE(base, first(1, Stream::init, 2, 3));
  EXPECT_NE(base, first(1, Stream::test, 3, 3));
  EXPECT_NE(base, first(1, Stream::test, 2, 4));
  EXPECT_NE(base, first(1, Stream::test, 2, 3 + (std::uint64_t{1} << 32)));
}

TEST(Rng, BelowTakesTheHighWordFirst) {
  Rng rng(3, Stream::test), words(3, Stream::test);
  const std::uint64_t high = words.bits(), low = words.bits();
  EXPECT_EQ(rng.below(1000000007), ((high << 32) | low) % 1000000007);
}

TEST(Rng, MomentsAreThoseOfTheDistributions) {
  constexpr int n = 200000;
  Rng rng(1, Stream::test);
  double uniform = 0, mean = 0, square = 0;
  std::vector<int> counts(6, 0);
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform(), z = rng.normal();
    ASSERT_TRUE(u >= 0 && u < 1);
    uniform += u / n, mean += z / n, square += z * z / n;
    ++counts[rng.below(6)];
  }
  // Bounds are five standard errors: sqrt(1/12/n), 1/sqrt(n), sqrt(2/n), sqrt(n/6 * 5/6).
  EXPECT_NEAR(uniform, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(mean, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(square, 1, 5 * std::sqrt(2.0 / n));
  for (const int count : counts) EXPECT_NEAR(count, n / 6.0, 5 * std::sqrt(n * 5.0 / 36));
}

TEST(Rng, ShuffleKeepsTheItemsAndMovesThem) {
  std::vector<int> items(50), sorted(50);
  std::iota(items.begin(), items.end(), 0);
  std::iota(sorted.begin(), sorted.end(), 0);
  Rng(1, Stream::shuffle).shuffle(items);
  EXPECT_NE(items, sorted);
  std::vector<int> other = sorted;
  Rng(2, Stream::shuffle).shuffle(other);
  EXPECT_NE(items, other);
  std::sort(items.begin(), items.end());
  EXPECT_EQ(items, sorted);
}

}  // namespace
}  // namespace cp
