#include "kernels/gemm.h"

#include <algorithm>

#include "core/thread_pool.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

struct Product {
  std::vector<float> a, b, bias;
};

Product random_product(int m, int k, int n) {
  return {normals(static_cast<std::size_t>(m * k), 1), normals(static_cast<std::size_t>(k * n), 2),
          normals(static_cast<std::size_t>(n), 3)};
}

// The definition, in double.
std::vector<float> plain_product(const Product& p, int m, int k, int n, bool relu6) {
  std::vector<float> c;
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = p.bias[static_cast<std::size_t>(j)];
      for (int l = 0; l < k; ++l)
        sum += static_cast<double>(p.a[static_cast<std::size_t>(i * k + l)]) * p.b[static_cast<std::size_t>(l * n + j)];
      c.push_back(static_cast<float>(relu6 ? std::clamp(sum, 0.0, 6.0) : sum));
    }
  return c;
}

const Tol kRounding =
    Tol::abs(1e-4, "half a unit in the last place of a sum near 60 is 2e-6, over sqrt(300) steps 3e-5, times 3");

TEST(Gemm, BothPathsEqualTheDefinitionForAllShapesOfEdges) {
  int visited = 0;
  for (const int m : {1, 2, 3, 5, 6, 7, 13, 64})
    for (const int k : {1, 2, 16, 37, 300})
      for (const int n : {1, 7, 8, 16, 24, 33, 64}) {
        const Product p = random_product(m, k, n);
        const PackedMatrix packed = pack(p.b, k, n);
        for (const bool relu6 : {false, true}) {
          const auto [scalar, fast] = test::scalar_and_simd([&] {
            std::vector<float> c(static_cast<std::size_t>(m * n));
            gemm(p.a, m, packed, p.bias, c, relu6 ? Activation::relu6 : Activation::none);
            return c;
          });
          const std::vector<float> want = plain_product(p, m, k, n, relu6);
          ASSERT_TRUE(close("scalar", scalar, want, kRounding)) << m << ' ' << k << ' ' << n;
          ASSERT_TRUE(close("simd", fast, want, kRounding)) << m << ' ' << k << ' ' << n;
          ++visited;
        }
      }
  EXPECT_EQ(visited, 8 * 5 * 7 * 2);
}

TEST(Gemm, ManyRowsAreCutIntoBlocksWithoutLosingOne) {
  const int m = 700, k = 257, n = 40;  // more rows than one block of the second-level cache holds
  const Product p = random_product(m, k, n);
  std::vector<float> c(static_cast<std::size_t>(m * n));
  gemm(p.a, m, pack(p.b, k, n), p.bias, c);
  EXPECT_TRUE(close("c", c, plain_product(p, m, k, n, false), kRounding));
}

TEST(Gemm, EveryLevelOfSimdAndEveryCutGivesTheSameBits) {
  int visited = 0;
  for (const int m : {1, 14, 15, 29, 100, 700})
    for (const int n : {16, 31, 48, 257}) {
      const int k = 300;
      const Product p = random_product(m, k, n);
      const PackedMatrix packed = pack(p.b, k, n);
      std::vector<float> first, c(static_cast<std::size_t>(m * n));
      test::at_each_level([&](Simd) {
        for (const int threads : {1, 3}) {
          thread_pool().set_threads(threads);
          gemm(p.a, m, packed, p.bias, c);
          if (first.empty()) first = c;
          ASSERT_EQ(c, first) << m << ' ' << n << ' ' << threads;
          ++visited;
        }
      });
    }
  thread_pool().set_threads(usable_processors());
  EXPECT_EQ(visited, 6 * 4 * 2 * static_cast<int>(simd()));
}

TEST(Gemm, PartsOfMatricesLeaveTheRestAlone) {
  const int m = 16, k = 10, n = 19, lda = 23, ldc = 40;
  const Product p = random_product(m, k, n);
  const std::vector<float> wide = normals(static_cast<std::size_t>(m * lda), 7);
  Product narrow = p;
  for (int i = 0; i < m; ++i)
    for (int l = 0; l < k; ++l)
      narrow.a[static_cast<std::size_t>(i * k + l)] = wide[static_cast<std::size_t>(i * lda + l)];
  const std::vector<float> want = plain_product(narrow, m, k, n, false);
  const PackedMatrix packed = pack(p.b, k, n);
  const auto [scalar, fast] = test::scalar_and_simd([&] {
    std::vector<float> c(static_cast<std::size_t>(m * ldc), 7.f);
    gemm_strided(wide.data(), lda, m, packed.panels.data(), k, n, p.bias.data(), c.data(), ldc);
    return c;
  });
  for (const std::vector<float>& c : {scalar, fast}) {
    std::vector<float> inside;
    for (int i = 0; i < m * ldc; ++i) {
      const float v = c[static_cast<std::size_t>(i)];
      if (i % ldc < n)
        inside.push_back(v);
      else
        ASSERT_EQ(v, 7.f) << i;
    }
    EXPECT_TRUE(close("c", inside, want, kRounding));
  }
}

TEST(Gemm, WithoutBiasAddsNothing) {
  Product p = random_product(4, 9, 17);
  std::vector<float> c(4 * 17);
  gemm(p.a, 4, pack(p.b, 9, 17), {}, c);
  std::fill(p.bias.begin(), p.bias.end(), 0.f);
  EXPECT_TRUE(close("c", c, plain_product(p, 4, 9, 17, false), kRounding));
}

TEST(Gemm, TransposedWeightPacksToTheSamePanels) {
  const int n = 21, k = 5;
  const std::vector<float> b = normals(static_cast<std::size_t>(n * k), 4);  // (K N)
  std::vector<float> w(b.size());                                            // (N K)
  for (int r = 0; r < k; ++r)
    for (int c = 0; c < n; ++c) w[static_cast<std::size_t>(c * k + r)] = b[static_cast<std::size_t>(r * n + c)];
  EXPECT_EQ(pack(b, k, n).panels, pack_transposed(w, n, k).panels);
  EXPECT_NE(pack(b, k, n).panels, pack_transposed(b, n, k).panels) << "the twin: a weight packed the wrong way round";
}

TEST(Gemm, RefusesSizesThatDoNotFit) {
  const Product p = random_product(2, 3, 4);
  std::vector<float> c(2 * 4), short_c(7);
  EXPECT_THROW(gemm(p.a, 3, pack(p.b, 3, 4), {}, c), BugError);
  EXPECT_THROW(gemm(p.a, 2, pack(p.b, 3, 4), {}, short_c), BugError);
  EXPECT_THROW(pack(p.b, 3, 5), BugError);
}

TEST(Vectors, DotAndAxpyEqualPlainLoopsForEveryLength) {
  int visited = 0;
  for (int n = 0; n <= 70; ++n, ++visited) {
    const std::vector<float> a = normals(static_cast<std::size_t>(n), 5), b = normals(static_cast<std::size_t>(n), 6);
    double sum = 0;
    std::vector<float> y = b;
    for (std::size_t i = 0; i < a.size(); ++i) {
      sum += static_cast<double>(a[i]) * b[i];
      y[i] += 0.5f * a[i];
    }
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<float> out = b;
      axpy(0.5f, a.data(), out.data(), n);
      out.push_back(dot(a.data(), b.data(), n));
      return out;
    });
    y.push_back(static_cast<float>(sum));
    ASSERT_TRUE(close("scalar", scalar, y, Tol::abs(1e-5, "sums of up to 70 products")));
    ASSERT_TRUE(close("simd", fast, y, Tol::abs(1e-5, "sums of up to 70 products")));
  }
  EXPECT_EQ(visited, 71);
}

}  // namespace
}  // namespace cp
