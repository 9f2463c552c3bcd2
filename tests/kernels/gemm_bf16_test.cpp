#include "kernels/gemm_bf16.h"

#include <bit>
#include <cmath>

#include "core/thread_pool.h"
#include "formats/safetensors.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::normals;
using test::Tol;

float rounded(float v) { return bfloat_to_float(float_to_bfloat(v)); }

TEST(GemmBf16, EveryWayEqualsTheDefinitionForAllShapesOfEdges) {
  const Bf16Dot best = bf16_dot();
  int visited = 0;
  for (const int m : {1, 5, 12, 16, 17, 31, 33, 100})
    for (const int k : {1, 31, 32, 33, 100, 256})
      for (const int n : {1, 16, 17, 32, 40, 96}) {
        const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 1),
                                 w = normals(static_cast<std::size_t>(k * n), 2),
                                 bias = normals(static_cast<std::size_t>(n), 3);
        std::vector<float> want;
        for (int i = 0; i < m; ++i)
          for (int j = 0; j < n; ++j) {
            double sum = bias[static_cast<std::size_t>(j)];
            for (int l = 0; l < k; ++l)
              sum += static_cast<double>(rounded(a[static_cast<std::size_t>(i * k + l)])) *
                     rounded(w[static_cast<std::size_t>(j * k + l)]);
            want.push_back(static_cast<float>(sum));
          }
        const PackedBf16 packed = pack_bf16_transposed(w, n, k);
        for (const Bf16Dot way : {Bf16Dot::widened, Bf16Dot::avx512, Bf16Dot::amx}) {
          if (!set_bf16_dot(way)) continue;
          std::vector<float> c(want.size(), 9.f);
          gemm_bf16(a, m, packed, bias, c);
          ASSERT_TRUE(test::close("c", c, want, Tol::abs(1e-4, "float32 sums of 256 products")))
              << bf16_dot_name(way) << ' ' << m << ' ' << k << ' ' << n;
          ++visited;
        }
      }
  set_bf16_dot(best);
  EXPECT_GE(visited, 8 * 6 * 6);
}

TEST(GemmBf16, ThreadsGiveTheSameBits) {
  const int m = 50, k = 512, n = 800;
  const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 1);
  const PackedBf16 packed = pack_bf16_transposed(normals(static_cast<std::size_t>(k * n), 2), n, k);
  std::vector<float> one(static_cast<std::size_t>(m * n)), three = one;
  thread_pool().set_threads(1);
  gemm_bf16(a, m, packed, {}, one);
  thread_pool().set_threads(3);
  gemm_bf16(a, m, packed, {}, three);
  thread_pool().set_threads(usable_processors());
  EXPECT_EQ(one, three);
}

TEST(GemmBf16, RoundsAsTheFilesDo) {
  int visited = 0;
  for (std::uint32_t high = 0; high < 65536; high += 7)
    for (const std::uint32_t low : {0x0000u, 0x7FFFu, 0x8000u, 0x8001u}) {
      const float v = std::bit_cast<float>(high << 16 | low);
      if (std::isnan(v)) {
        EXPECT_TRUE(std::isnan(bfloat_to_float(round_to_bf16(v))));
      } else {
        ASSERT_EQ(round_to_bf16(v), float_to_bfloat(v)) << v;
      }
      ++visited;
    }
  EXPECT_EQ(visited, 4 * 9363);
}

TEST(GemmBf16, RefusesSizesThatDoNotFit) {
  const PackedBf16 packed = pack_bf16_transposed(std::vector<float>(12), 3, 4);
  std::vector<float> a(8), c(6), shorter(5);
  EXPECT_THROW(gemm_bf16(a, 3, packed, {}, c), BugError);
  EXPECT_THROW(gemm_bf16(a, 2, packed, {}, shorter), BugError);
  EXPECT_THROW(pack_bf16_transposed(a, 3, 3), BugError);
}

}  // namespace
}  // namespace cp
