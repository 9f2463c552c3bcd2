#include "kernels/norm.h"

#include <cmath>
#include <cstring>
#include <functional>
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

// Every level beside the definition in double, over what activations see and far outside of it.
TEST(Activations, EveryLevelIsWithinAMillionthOfTheDefinition) {
  std::vector<float> x;
  for (int i = -4000; i <= 4000; ++i) x.push_back(static_cast<float>(i) / 160.f);
  x.insert(x.end(), {-1e4f, -100.f, -88.f, -87.31f, 88.5f, 100.f, 1e4f});
  const auto sigmoid_of = [](double v) { return 1 / (1 + std::exp(-v)); };
  struct Case {
    const char* name;
    void (*run)(std::span<float>);
    std::function<double(double)> want;
  };
  const Case cases[] = {{"exponential", exponential, [](double v) { return v > 80 ? 0 : std::exp(v); }},
                        {"gelu", gelu, [](double v) { return v / 2 * std::erfc(-v / std::sqrt(2.0)); }},
                        {"quick_gelu", quick_gelu, [&](double v) { return v * sigmoid_of(1.702 * v); }},
                        {"silu", silu, [&](double v) { return v * sigmoid_of(v); }},
                        {"sigmoid", sigmoid, sigmoid_of}};
  int visited = 0;
  for (const Case& c : cases)
    test::at_each_level([&](Simd) {
      std::vector<float> y = x;
      c.run(y);
      for (std::size_t i = 0; i < x.size(); ++i, ++visited) {
        if (c.run == exponential && x[i] > 80) continue;  // near the end of float32's range
        const double want = c.want(x[i]);
        ASSERT_NEAR(y[i], want, 1e-6 * std::abs(want) + 1e-6) << c.name << ' ' << x[i];
      }
      if (c.run == exponential) return;
      for (const float strange : {NAN, INFINITY}) {
        std::vector<float> z(19, strange);
        c.run(z);
        for (const float v : z) EXPECT_TRUE(std::isnan(strange) ? std::isnan(v) : v == c.want(1e30) || v == strange);
      }
    });
  EXPECT_GE(visited, 4 * static_cast<int>(x.size()) * static_cast<int>(simd()));
}

TEST(Norms, EveryLevelEqualsTheScalarCodeForEveryWidth) {
  int visited = 0;
  for (const int width : {1, 7, 8, 15, 16, 17, 50, 64, 768}) {
    const std::size_t w = static_cast<std::size_t>(width);
    const std::vector<float> x = test::normals(3 * w, 2), weight = test::normals(w, 3), bias = test::normals(w, 4);
    const auto all = [&] {
      std::vector<float> layer = x, group = x, rms = x, soft = x;
      layer_norm(layer, width, weight, bias, 1e-5f);
      group_norm1(group, width, weight, bias, 1e-5f);
      rms_norm(rms, width, weight, 1e-6f);
      softmax(soft, width);
      for (const auto& part : {group, rms, soft}) layer.insert(layer.end(), part.begin(), part.end());
      return layer;
    };
    const Simd best = simd();
    set_simd(Simd::scalar);
    const std::vector<float> want = all();
    set_simd(best);
    test::at_each_level([&](Simd) {
      EXPECT_TRUE(close("all", all(), want, Tol::abs(3e-6, "float32 products of three numbers below 5")));
      ++visited;
    });
  }
  EXPECT_EQ(visited, 9 * static_cast<int>(simd()));
}

TEST(Norms, SoftmaxGivesNothingToWhatIsRuledOut) {
  test::at_each_level([&](Simd) {
    std::vector<float> x(40, -INFINITY);
    x[3] = 1, x[37] = 1;
    softmax(x, 40);
    EXPECT_EQ(x[3], 0.5f);
    EXPECT_EQ(x[37], 0.5f);
    EXPECT_EQ(x[20], 0.f);
  });
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
