#include "kernels/activations8.h"

#include <cmath>
#include <limits>

#include "kernels_test_support.h"

namespace cp {
namespace {

Activations8 quantized(const std::vector<float>& a, int m, int k) {
  Activations8 out;
  quantize_activations(a, m, k, out);
  return out;
}

TEST(Activations8, BothPathsEqualTheDefinitionToTheBit) {
  int visited = 0;
  for (const int m : {1, 3})
    for (const int k : {1, 63, 64, 65, 128, 896}) {
      std::vector<float> a = test::normals(static_cast<std::size_t>(m * k), 1);
      a[0] = 0.5f;
      const auto [scalar, fast] = test::scalar_and_simd([&] { return quantized(a, m, k); });
      EXPECT_EQ(scalar.codes, fast.codes) << m << ' ' << k;
      EXPECT_EQ(scalar.scales, fast.scales) << m << ' ' << k;
      EXPECT_EQ(scalar.offsets, fast.offsets) << m << ' ' << k;
      const std::size_t blocks = static_cast<std::size_t>(fast.blocks());
      ASSERT_EQ(fast.codes.size(), static_cast<std::size_t>(m) * blocks * 64);
      for (std::size_t row = 0; row < static_cast<std::size_t>(m); ++row)
        for (std::size_t b = 0; b < blocks; ++b) {
          const float scale = fast.scales[row * blocks + b];
          int sum = 0;
          for (std::size_t j = b * 64; j < b * 64 + 64; ++j) {
            const int code = fast.codes[row * blocks * 64 + j];
            sum += code;
            const float value = j < static_cast<std::size_t>(k) ? a[row * static_cast<std::size_t>(k) + j] : 0.f;
            EXPECT_LE(std::fabs(value - static_cast<float>(code) * scale), 0.501f * scale);
          }
          EXPECT_EQ(fast.offsets[row * blocks + b], -128 * sum);
          ++visited;
        }
    }
  EXPECT_EQ(visited, 4 * (1 + 1 + 1 + 2 + 2 + 14));
}

TEST(Activations8, ZerosAreZerosAndWhatIsNotFiniteStaysSo) {
  std::vector<float> a(128, 0.f);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    a[70] = bad;
    const auto [scalar, fast] = test::scalar_and_simd([&] { return quantized(a, 1, 128); });
    for (const Activations8& got : {scalar, fast}) {
      EXPECT_EQ(got.scales[0], 0.f);
      EXPECT_EQ(got.offsets[0], 0);
      EXPECT_TRUE(std::isnan(got.scales[1]));
    }
  }
}

}  // namespace
}  // namespace cp
