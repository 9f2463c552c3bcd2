#include "runtime/guard.h"

#include <bit>
#include <cmath>
#include <limits>

#include "core/rng.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

bool allowed(const Action& action) {
  const auto place = [](double v) { return std::isfinite(v) && v >= 0 && v < 1; };
  return place(action.x) && place(action.y) && (action.a == 0 || action.a == 1) && std::isfinite(action.p_zoom) &&
         action.p_zoom >= 0 && action.p_zoom <= 1;
}

// Every kind of double: any 64 bits, odd ones, and such as models give.
double any_number(Rng& rng) {
  constexpr double odd[] = {kNan, kInf, -kInf, 0.0, -0.0, 1.0, 1e308, -1e308, 5e-324, -5e-324, 0.5, 1 - 1e-16};
  switch (rng.below(4)) {
    case 0:
      return std::bit_cast<double>((static_cast<std::uint64_t>(rng.bits()) << 32) | rng.bits());
    case 1:
      return odd[rng.below(std::size(odd))];
    case 2:  // any 32 bits as a float
      return static_cast<double>(std::bit_cast<float>(rng.bits()));
    default:
      return 1.5 * rng.normal();
  }
}

TEST(GuardAction, GivesAnActionForAMillionOfAnyNumbers) {
  Rng rng(1, Stream::test);
  int unsafe = 0, raw_allowed = 0, zooms = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const RawAction raw{any_number(rng), any_number(rng), any_number(rng), any_number(rng)};
    const Action action = guard_action(raw);
    ASSERT_TRUE(allowed(action)) << raw.x << " " << raw.y << " " << raw.a << " " << raw.p_zoom;
    const bool finite =
        std::isfinite(raw.x) && std::isfinite(raw.y) && std::isfinite(raw.a) && std::isfinite(raw.p_zoom);
    ASSERT_EQ(action.unsafe, !finite);
    if (action.unsafe) ASSERT_TRUE(action.x == 0.5 && action.y == 0.5 && action.a == 0 && action.p_zoom == 0);
    unsafe += action.unsafe;
    zooms += action.a;
    // The planted fault: numbers that are passed on as they are.
    raw_allowed += allowed({raw.x, raw.y, raw.a >= 0.5 ? 1 : 0, raw.p_zoom});
  }
  EXPECT_GT(unsafe, 100'000);
  EXPECT_GT(zooms, 10'000);
  EXPECT_LT(raw_allowed, 500'000) << "the test would pass without a guard";
}

TEST(GuardAction, LeavesAnActionAsItIs) {
  const Action action = guard_action({0.25, 0.75, 1, 0.9});
  EXPECT_EQ(action.x, 0.25);
  EXPECT_EQ(action.y, 0.75);
  EXPECT_EQ(action.a, 1);
  EXPECT_EQ(action.p_zoom, 0.9);
  EXPECT_FALSE(action.unsafe);
}

TEST(GuardAction, KeepsTheRightAndLowerEdgeInside) {
  const Action action = guard_action({1, 1, 0.49, 2});
  EXPECT_LT(std::round(action.x * 1e4) / 1e4, 1) << "printed with four decimals, too";
  EXPECT_EQ(action.x, action.y);
  EXPECT_EQ(action.a, 0);
  EXPECT_EQ(action.p_zoom, 1);
}

}  // namespace
}  // namespace cp
