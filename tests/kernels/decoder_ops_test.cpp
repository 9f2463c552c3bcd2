#include "kernels/decoder_ops.h"

#include <cmath>
#include <limits>

#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

const Tol kExp = Tol::rel(1e-6, "exp within two units in the last place, a few roundings");

TEST(DecoderOps, NormEqualsTheDefinition) {
  for (const int width : {1, 7, 8, 100, 896}) {
    const std::size_t w = static_cast<std::size_t>(width);
    const std::vector<float> x = normals(3 * w, 1), weight = normals(w, 2);
    std::vector<float> want;
    for (std::size_t r = 0; r < 3; ++r) {
      double square = 0;
      for (std::size_t i = 0; i < w; ++i) square += static_cast<double>(x[r * w + i]) * x[r * w + i];
      for (std::size_t i = 0; i < w; ++i)
        want.push_back(static_cast<float>(x[r * w + i] / std::sqrt(square / width + 1e-6) * weight[i]));
    }
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<float> out(x.size());
      rms_norm_to(x, weight, 1e-6f, out.data());
      return out;
    });
    EXPECT_TRUE(close("scalar", scalar, want, kExp)) << width;
    EXPECT_TRUE(close("simd", fast, want, kExp)) << width;
  }
}

TEST(DecoderOps, GatedSiluEqualsTheDefinitionAndKeepsNan) {
  std::vector<float> gate = normals(1003, 3), up = normals(1003, 4), want;
  for (float& g : gate) g *= 10;
  for (std::size_t i = 0; i < gate.size(); ++i)
    want.push_back(static_cast<float>(gate[i] / (1 + std::exp(-static_cast<double>(gate[i]))) * up[i]));
  const auto [scalar, fast] = test::scalar_and_simd([&] {
    std::vector<float> x = gate;
    gated_silu(x.data(), up.data(), x.size());
    return x;
  });
  EXPECT_TRUE(close("scalar", scalar, want, kExp));
  EXPECT_TRUE(close("simd", fast, want, kExp));
  gate[5] = std::numeric_limits<float>::quiet_NaN();
  gated_silu(gate.data(), up.data(), gate.size());
  EXPECT_TRUE(std::isnan(gate[5]));
}

TEST(DecoderOps, RotationTurnsPairs) {
  for (const int half : {4, 8, 19, 32}) {
    const std::size_t h = static_cast<std::size_t>(half);
    const std::vector<float> x = normals(2 * 2 * h, 5), angles = normals(h, 6);
    std::vector<float> cosines, sines, want = x;
    for (const float angle : angles) cosines.push_back(std::cos(angle)), sines.push_back(std::sin(angle));
    for (std::size_t head = 0; head < 2; ++head)
      for (std::size_t i = 0; i < h; ++i) {
        const float a = x[head * 2 * h + i], b = x[head * 2 * h + h + i];
        want[head * 2 * h + i] = a * cosines[i] - b * sines[i];
        want[head * 2 * h + h + i] = b * cosines[i] + a * sines[i];
      }
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<float> out = x;
      rotate_heads(out.data(), 2, half, cosines.data(), sines.data());
      return out;
    });
    EXPECT_TRUE(close("scalar", scalar, want, kExp)) << half;
    EXPECT_TRUE(close("simd", fast, want, kExp)) << half;
  }
}

TEST(DecoderOps, SoftmaxTakesBothPartsForOneRow) {
  for (const std::size_t cut : {0u, 1u, 9u, 40u, 57u}) {
    std::vector<float> x = normals(57, 7);
    for (float& v : x) v *= 5;
    double sum = 0;
    std::vector<float> want;
    for (const float v : x) sum += std::exp(static_cast<double>(v));
    for (const float v : x) want.push_back(static_cast<float>(std::exp(static_cast<double>(v)) / sum));
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<float> out = x;
      softmax_parts(out.data(), static_cast<int>(cut), out.data() + cut, static_cast<int>(out.size() - cut));
      return out;
    });
    EXPECT_TRUE(close("scalar", scalar, want, kExp)) << cut;
    EXPECT_TRUE(close("simd", fast, want, kExp)) << cut;
  }
}

}  // namespace
}  // namespace cp
