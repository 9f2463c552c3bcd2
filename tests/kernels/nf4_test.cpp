#include "kernels/nf4.h"

#include "kernels/gemm.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

Nf4Matrix random_matrix(int n, int k) { return test::random_nf4(n, k, 7); }

// W (N K) by the definition.
std::vector<float> unpacked(const Nf4Matrix& w) {
  std::vector<float> out;
  for (std::size_t i = 0; i < static_cast<std::size_t>(w.out * w.in); ++i)
    out.push_back(w.map[i % 2 == 0 ? w.codes[i / 2] / 16 : w.codes[i / 2] % 16] * w.scales[i / 64]);
  return out;
}

// a W^T + bias in double.
std::vector<float> plain_product(const std::vector<float>& a, int m, const Nf4Matrix& w,
                                 const std::vector<float>& bias) {
  const std::vector<float> values = unpacked(w);
  const std::size_t k = static_cast<std::size_t>(w.in);
  std::vector<float> c;
  for (std::size_t i = 0; i < static_cast<std::size_t>(m); ++i)
    for (std::size_t n = 0; n < static_cast<std::size_t>(w.out); ++n) {
      double sum = bias.empty() ? 0 : bias[n];
      for (std::size_t j = 0; j < k; ++j) sum += static_cast<double>(a[i * k + j]) * values[n * k + j];
      c.push_back(static_cast<float>(sum));
    }
  return c;
}

std::vector<float> product(const std::vector<float>& a, int m, const Nf4Matrix& w, const std::vector<float>& bias) {
  std::vector<float> c(static_cast<std::size_t>(m * w.out));
  nf4_gemm(a, m, w, bias, c);
  return c;
}

const Tol kRounding =
    Tol::abs(2e-4, "half a unit in the last place of a sum near 60 is 2e-6, over sqrt(900) steps 6e-5, times 3");

TEST(Nf4Gemm, BothPathsEqualTheDefinitionForAllShapesOfEdges) {
  int visited = 0;
  for (const int m : {1, 2, 3, 4, 5, 6, 7, 13})
    for (const int k : {1, 7, 63, 64, 65, 100, 128, 192, 896})  // blocks that cross rows, and rows of whole blocks
      for (const int n : {1, 7, 8, 15, 16, 17, 33}) {
        const Nf4Matrix w = random_matrix(n, k);
        const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 1);
        const std::vector<float> bias = normals(static_cast<std::size_t>(n), 2);
        const auto [scalar, fast] = test::scalar_and_simd([&] { return product(a, m, w, bias); });
        const std::vector<float> want = plain_product(a, m, w, bias);
        ASSERT_TRUE(close("scalar", scalar, want, kRounding)) << m << ' ' << k << ' ' << n;
        ASSERT_TRUE(close("simd", fast, want, kRounding)) << m << ' ' << k << ' ' << n;
        ++visited;
      }
  EXPECT_EQ(visited, 8 * 9 * 7);
}

TEST(Nf4Gemm, ManyRowsEqualTheProductWithTheUnpackedWeightToTheBit) {
  for (const int k : {128, 65}) {
    const int m = 30, n = 40;
    const Nf4Matrix w = random_matrix(n, k);
    const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 3);
    std::vector<float> want(static_cast<std::size_t>(m * n));
    gemm(a, m, pack_transposed(unpacked(w), n, k), {}, want);
    EXPECT_EQ(product(a, m, w, {}), want);
  }
}

TEST(Nf4Unpack, BothPathsEqualTheDefinitionToTheBit) {
  for (const int k : {64, 65, 128, 896}) {
    const Nf4Matrix w = random_matrix(9, k);
    const std::vector<float> all = unpacked(w);
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<float> rows(static_cast<std::size_t>(5 * k));
      nf4_unpack(w, 3, 5, rows);
      return rows;
    });
    const std::vector<float> want(all.begin() + 3 * k, all.begin() + 8 * k);
    EXPECT_EQ(scalar, want) << k;
    EXPECT_EQ(fast, want) << k;
  }
}

// 1 + 2^-8 lies between two bfloat16 numbers: even wins; truncation is the planted fault.
TEST(Nf4Unpack, RoundsToBfloat16AsTheDefinition) {
  for (const int k : {64, 65, 896}) {
    Nf4Matrix w = random_matrix(9, k);
    w.scales[0] = 1.00390625f;
    std::vector<std::uint16_t> want, cut;
    const std::vector<float> all = unpacked(w);
    for (const float value : all) {
      const auto bits = std::bit_cast<std::uint32_t>(value);
      const std::uint32_t below = bits >> 16, rest = bits & 0xffffu;
      want.push_back(static_cast<std::uint16_t>(below + (rest > 0x8000u || (rest == 0x8000u && below % 2 == 1))));
      cut.push_back(static_cast<std::uint16_t>(below));
    }
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<std::uint16_t> rows(all.size());
      nf4_unpack_bf16(w, 0, 9, rows);
      return rows;
    });
    EXPECT_EQ(scalar, want) << k;
    EXPECT_EQ(fast, want) << k;
    EXPECT_NE(fast, cut) << k;
  }
}

TEST(Nf4Gemm, LowNibbleFirstIsNoticed) {
  for (const int m : {1, 8}) {
    const Nf4Matrix w = random_matrix(20, 128);
    Nf4Matrix faulty = w;
    for (std::uint8_t& pair : faulty.codes) pair = static_cast<std::uint8_t>(pair << 4 | pair >> 4);
    const std::vector<float> a = normals(static_cast<std::size_t>(m * 128), 4);
    EXPECT_FALSE(close("faulty", product(a, m, faulty, {}), plain_product(a, m, w, {}), kRounding));
  }
}

TEST(Nf4Gemm, RefusesSizesThatDoNotFit) {
  const Nf4Matrix w = random_matrix(4, 64);
  const std::vector<float> a(2 * 64), bias(3);
  std::vector<float> c(2 * 4);
  EXPECT_THROW(nf4_gemm(a, 3, w, {}, c), BugError);
  EXPECT_THROW(nf4_gemm(a, 2, w, bias, c), BugError);
  EXPECT_THROW(nf4_gemm(a, 2, w, {}, std::span(c).first(7)), BugError);
  for (const bool codes : {true, false}) {
    Nf4Matrix cut = w;
    codes ? cut.codes.pop_back() : cut.scales.pop_back();
    EXPECT_THROW(nf4_gemm(a, 2, cut, {}, c), BugError);
  }
}

}  // namespace
}  // namespace cp
