// fp16 and bf16 against their definitions, over all halfs and every rounding border.
#include <bit>
#include <cmath>
#include <limits>

#include "core/rng.h"
#include "formats/safetensors.h"
#include "support/test_support.h"

namespace cp {
namespace {

// IEEE 754, 3.4: (-1)^s 2^(e - bias) (1 + m / 2^bits), subnormals without the 1. Not the code under test: exact
// doubles.
double value_of(unsigned bits, int mantissa_bits, int exponent_bits) {
  const unsigned mantissa = bits & ((1u << mantissa_bits) - 1),
                 exponent = bits >> mantissa_bits & ((1u << exponent_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = bits >> 15 & 1u ? -1 : 1;
  if (exponent == (1u << exponent_bits) - 1)
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + (1u << mantissa_bits), static_cast<int>(exponent) - bias - mantissa_bits);
}

struct Format {
  const char* name;
  int mantissa_bits, exponent_bits;
  float (*widen)(std::uint16_t);
  std::uint16_t (*narrow)(float);
};
constexpr Format kFormats[] = {{"half", 10, 5, half_to_float, float_to_half},
                               {"bfloat", 7, 8, bfloat_to_float, float_to_bfloat}};

TEST(HalfFloats, AllWidenToTheirDefinition) {
  for (const Format& format : kFormats) {
    int nans = 0;
    for (unsigned bits = 0; bits < 65536; ++bits) {
      const double want = value_of(bits, format.mantissa_bits, format.exponent_bits);
      const float got = format.widen(static_cast<std::uint16_t>(bits));
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got)) << format.name << bits;
        EXPECT_TRUE(std::isnan(format.widen(format.narrow(got)))) << format.name << bits;
        ++nans;
        continue;
      }
      EXPECT_EQ(static_cast<double>(got), want) << format.name << bits;
      EXPECT_EQ(std::signbit(got), bits >= 0x8000) << format.name << bits;  // -0 too
      EXPECT_EQ(format.narrow(got), bits) << format.name;
    }
    EXPECT_EQ(nans, 2 * ((1 << format.mantissa_bits) - 1)) << format.name;
  }
}

// Between two neighbours lies one border; the border itself goes to the even one, the floats beside it to the nearer
// one.
TEST(HalfFloats, NarrowToTheNearestTiesToEven) {
  for (const Format& format : kFormats) {
    const unsigned infinity = ((1u << format.exponent_bits) - 1) << format.mantissa_bits;
    int borders = 0;
    for (unsigned low = 0; low < infinity; ++low, ++borders) {
      const unsigned high = low + 1, even = low % 2 == 0 ? low : high;
      // Above the largest finite number the next step of the grid stands in for infinity.
      const double step = value_of(low, format.mantissa_bits, format.exponent_bits) -
                          value_of(low == 0 ? 0 : low - 1, format.mantissa_bits, format.exponent_bits);
      const double above = high == infinity ? value_of(low, format.mantissa_bits, format.exponent_bits) + step
                                            : value_of(high, format.mantissa_bits, format.exponent_bits);
      const double middle = (value_of(low, format.mantissa_bits, format.exponent_bits) + above) / 2;
      const float border = static_cast<float>(middle);
      if (static_cast<double>(border) != middle) continue;  // bfloat's subnormals: the border is no float
      EXPECT_EQ(format.narrow(border), even) << format.name << low;
      EXPECT_EQ(format.narrow(-border), even | 0x8000u) << format.name << low;
      EXPECT_EQ(format.narrow(std::nextafter(border, 0.0f)), low) << format.name << low;
      EXPECT_EQ(format.narrow(std::nextafter(border, std::numeric_limits<float>::infinity())), high)
          << format.name << low;
    }
    EXPECT_EQ(borders, static_cast<int>(infinity)) << format.name;
  }
}

TEST(HalfFloats, RandomFloatsGoToANearestNeighbour) {
  Rng rng(7, Stream::test);
  int finite = 0;
  for (int i = 0; i < 200'000; ++i) {
    const float x = std::bit_cast<float>(rng.bits());
    if (!std::isfinite(x)) continue;
    ++finite;
    for (const Format& format : kFormats) {
      const std::uint16_t got = format.narrow(x);
      const double error = std::abs(static_cast<double>(x) - value_of(got, format.mantissa_bits, format.exponent_bits));
      if (!std::isfinite(error)) {
        EXPECT_GE(std::abs(x), format.mantissa_bits == 10 ? 65520.0f : 3.38e38f);
        continue;
      }
      for (const int neighbour : {got - 1, got + 1}) {
        const double other =
            value_of(static_cast<unsigned>(neighbour) & 0xffffu, format.mantissa_bits, format.exponent_bits);
        if (!std::isfinite(other)) continue;
        EXPECT_LE(error, std::abs(static_cast<double>(x) - other)) << format.name << x;
      }
    }
  }
  EXPECT_GE(finite, 190'000);
}

}  // namespace
}  // namespace cp
