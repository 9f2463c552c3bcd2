#include "kernels/norm.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/half.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

TEST(Norms, LeaveMeanZeroAndVarianceOneFarFromTheOrigin) {
  std::vector<float> x = test::normals(64 * 16, 1);
  for (float& v : x) v += 1000.f;  // one-pass variance in float32 would be lost here
  group_norm1(x, 16, std::vector<float>(16, 1.f), std::vector<float>(16, 0.f), 1e-5f);
  double sum = 0, square = 0;
  for (const float v : x) {
    sum += v;
    square += static_cast<double>(v) * v;
  }
  EXPECT_NEAR(sum / 1024, 0, 1e-4);
  EXPECT_NEAR(square / 1024, 1, 1e-3);
}

TEST(Norms, LayerNormWorksRowByRowAndGroupNormOverAll) {
  const std::vector<float> x = {1, 3, 10, 30}, one(2, 1.f), zero(2, 0.f);
  std::vector<float> by_row = x, whole = x;
  layer_norm(by_row, 2, one, zero, 0.f);
  EXPECT_TRUE(close("rows", by_row, std::vector<float>{-1, 1, -1, 1}, Tol::abs(1e-6, "one division")));
  group_norm1(whole, 2, one, zero, 0.f);
  EXPECT_FALSE(close("all", whole, by_row, Tol::abs(1e-3, "they must differ")));
}

TEST(Norms, RmsNormDoesNotSubtractTheMean) {
  std::vector<float> x = {3, 4};
  rms_norm(x, 2, std::vector<float>{1, 2}, 0.f);
  const float rms = std::sqrt(12.5f);
  EXPECT_TRUE(close("x", x, std::vector<float>{3 / rms, 8 / rms}, Tol::abs(1e-6, "one division")));
}

TEST(Softmax, IsStableAndSumsToOne) {
  std::vector<float> x = {1000, 1001, -std::numeric_limits<float>::infinity(), 0, 0, 0};
  softmax(x, 3);
  const float e = std::exp(1.f);
  EXPECT_TRUE(close("x", x, std::vector<float>{1 / (1 + e), e / (1 + e), 0, 1.f / 3, 1.f / 3, 1.f / 3},
                    Tol::abs(1e-6, "float32 exp")));
}

TEST(Activations, GeluIsTheExactOneAndNotTheTanhForm) {
  std::vector<float> x = {-3, -1, 0, 0.5f, 2};
  gelu(x);
  // x Phi(x), from tables of the normal distribution
  const std::vector<float> want = {-0.00404969f, -0.15865525f, 0, 0.34573123f, 1.95449974f};
  EXPECT_TRUE(close("gelu", x, want, Tol::abs(1e-6, "float32 erf")));
  EXPECT_GT(std::abs(x[0] - -0.00363739f), 1e-4f) << "the twin: the tanh form at -3";
}

TEST(Activations, QuickGeluIsNotTheExactOne) {
  std::vector<float> x = {-3, -1, 0, 0.5f, 2, 100}, exact = x;
  quick_gelu(x);
  gelu(exact);
  // x / (1 + exp(-1.702 x)), by Python in float64
  const std::vector<float> want = {-0.01807131f, -0.15420423f, 0, 0.35038844f, 1.93565862f, 100};
  EXPECT_TRUE(close("quick_gelu", x, want, Tol::abs(1e-6, "float32 exp")));
  EXPECT_FALSE(close("gelu", exact, want, Tol::abs(1e-3, "they must differ")));
}

TEST(Activations, SiluAndSigmoid) {
  std::vector<float> x = {-100, 0, 1};
  silu(x);
  EXPECT_TRUE(close("silu", x, std::vector<float>{0, 0, 0.7310586f}, Tol::abs(1e-6, "float32 exp")));
  EXPECT_EQ(sigmoid(0.f), 0.5f);
}

TEST(Half, BothPathsWidenEveryPattern) {
  std::vector<std::uint16_t> bits(65536 + 3);  // + 3: a tail that no register fills
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  const auto [scalar, fast] = test::scalar_and_simd([&] {
    std::vector<float> out(bits.size());
    widen_half(bits.data(), bits.size(), out.data());
    return out;
  });
  EXPECT_EQ(std::memcmp(scalar.data(), fast.data(), scalar.size() * sizeof(float)), 0);
  EXPECT_EQ(fast[0x3C00], 1.f);
  EXPECT_EQ(fast[0xC000], -2.f);
  EXPECT_EQ(fast[0x0001], 0x1.0p-24f);
  EXPECT_EQ(fast[0x7BFF], 65504.f);
  EXPECT_TRUE(std::isinf(fast[0x7C00]));
  EXPECT_TRUE(std::isnan(fast[0x7C01]));
  EXPECT_TRUE(std::signbit(fast[0x8000]));
}

}  // namespace
}  // namespace cp
