#include "kernels/int8.h"

#include <cmath>

#include "kernels/gemm.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

Int8Matrix random_matrix(int n, int k) {
  Rng rng(8, Stream::test);
  Int8Matrix w{n, k, {}, {}};
  for (int i = 0; i < n * k; ++i) w.codes.push_back(static_cast<std::int8_t>(static_cast<int>(rng.below(255)) - 127));
  for (int i = 0; i < n; ++i) w.scales.push_back(static_cast<float>(rng.uniform(0.005, 0.02)));
  return w;
}

std::vector<float> unpacked(const Int8Matrix& w) {
  std::vector<float> out;
  for (std::size_t i = 0; i < w.codes.size(); ++i)
    out.push_back(static_cast<float>(w.codes[i]) * w.scales[i / static_cast<std::size_t>(w.in)]);
  return out;
}

std::vector<float> plain_product(const std::vector<float>& a, int m, const Int8Matrix& w,
                                 const std::vector<float>& bias) {
  const std::size_t k = static_cast<std::size_t>(w.in);
  std::vector<float> c;
  for (std::size_t i = 0; i < static_cast<std::size_t>(m); ++i)
    for (std::size_t n = 0; n < static_cast<std::size_t>(w.out); ++n) {
      double sum = 0;
      for (std::size_t j = 0; j < k; ++j) sum += static_cast<double>(a[i * k + j]) * w.codes[n * k + j];
      c.push_back(static_cast<float>(sum * w.scales[n] + (bias.empty() ? 0.f : bias[n])));
    }
  return c;
}

std::vector<float> product(const std::vector<float>& a, int m, const Int8Matrix& w, const std::vector<float>& bias) {
  std::vector<float> c(static_cast<std::size_t>(m * w.out));
  int8_gemm(a, m, w, bias, c);
  return c;
}

const Tol kRounding =
    Tol::abs(2e-4, "half a unit in the last place of a sum near 60 is 2e-6, over sqrt(900) steps 6e-5, times 3");

TEST(Int8Gemm, BothPathsEqualTheDefinitionForAllShapesOfEdges) {
  int visited = 0;
  for (const int m : {1, 2, 3, 4, 5, 6, 7, 13})
    for (const int k : {1, 7, 8, 15, 16, 17, 40, 100, 896})
      for (const int n : {1, 7, 8, 15, 16, 17, 33}) {
        const Int8Matrix w = random_matrix(n, k);
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

TEST(Int8Gemm, ManyRowsEqualTheProductWithTheUnpackedWeightToTheBit) {
  const int m = 30, n = 40, k = 77;
  const Int8Matrix w = random_matrix(n, k);
  const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 3);
  std::vector<float> want(static_cast<std::size_t>(m * n));
  gemm(a, m, pack_transposed(unpacked(w), n, k), {}, want);
  EXPECT_EQ(product(a, m, w, {}), want);
}

TEST(Int8Gemm, CodesReadAsUnsignedAreNoticed) {
  for (const int m : {1, 8}) {
    const Int8Matrix w = random_matrix(20, 48);
    Int8Matrix faulty = w;
    for (std::int8_t& code : faulty.codes) code = static_cast<std::int8_t>(code < 0 ? code + 127 : code);
    const std::vector<float> a = normals(static_cast<std::size_t>(m * 48), 4);
    EXPECT_FALSE(close("faulty", product(a, m, faulty, {}), plain_product(a, m, w, {}), kRounding));
  }
}

TEST(Int8Row, IsTheRowOfTheUnpackedWeight) {
  const Int8Matrix w = random_matrix(5, 9);
  const std::vector<float> all = unpacked(w);
  for (int n = 0; n < 5; ++n) {
    std::vector<float> row(9);
    int8_row(w, n, row);
    EXPECT_EQ(row, std::vector<float>(all.begin() + n * 9, all.begin() + n * 9 + 9));
  }
}

TEST(Int8Gemm, RefusesSizesThatDoNotFit) {
  const Int8Matrix w = random_matrix(4, 6);
  const std::vector<float> a(2 * 6), bias(3);
  std::vector<float> c(2 * 4), row(6);
  EXPECT_THROW(int8_gemm(a, 3, w, {}, c), BugError);
  EXPECT_THROW(int8_gemm(a, 2, w, bias, c), BugError);
  EXPECT_THROW(int8_row(w, 4, row), BugError);
  EXPECT_THROW(int8_row(w, -1, row), BugError);
  Int8Matrix cut = w;
  cut.scales.pop_back();
  EXPECT_THROW(int8_gemm(a, 2, cut, {}, c), BugError);
  EXPECT_THROW(int8_row(cut, 0, row), BugError);
}

TEST(Int8RowCodes, AreTheNearestOnBothPaths) {
  for (const std::size_t k : {1u, 7u, 8u, 100u, 896u}) {
    std::vector<float> w = normals(k, 3);
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<std::int8_t> codes(k);
      const float scale = int8_row_codes(w, codes.data());
      return std::pair(codes, scale);
    });
    EXPECT_EQ(scalar, fast) << k;
    for (std::size_t i = 0; i < k; ++i)
      EXPECT_EQ(fast.first[i], static_cast<int>(std::nearbyint(w[i] / fast.second))) << k;
    w[k - 1] = std::nanf("");
    std::vector<std::int8_t> codes(k);
    EXPECT_TRUE(std::isnan(int8_row_codes(w, codes.data()))) << k;
    EXPECT_EQ(int8_row_codes(std::vector<float>(k, 0.f), codes.data()), 0.f) << k;
  }
}

}  // namespace
}  // namespace cp
