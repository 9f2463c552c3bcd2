#include "kernels/packed4_many.h"

#include <cmath>

#include "kernels/half.h"
#include "kernels/packed4_unpack.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

Nf4Matrix random_nf4(int n, int k) { return test::random_nf4(n, k, 17); }

// a W^T + bias in double.
std::vector<float> plain(const Nf4Matrix& w, const std::vector<float>& a, int m, const std::vector<float>& bias) {
  std::vector<float> values(static_cast<std::size_t>(w.out * w.in)), c;
  nf4_unpack(w, 0, w.out, values);
  const std::size_t k = static_cast<std::size_t>(w.in);
  for (std::size_t i = 0; i < static_cast<std::size_t>(m); ++i)
    for (std::size_t n = 0; n < static_cast<std::size_t>(w.out); ++n) {
      double sum = bias[n];
      for (std::size_t j = 0; j < k; ++j) sum += static_cast<double>(a[i * k + j]) * values[n * k + j];
      c.push_back(static_cast<float>(sum));
    }
  return c;
}

std::vector<float> product(const Nf4Packed& w, const std::vector<float>& a, int m, const std::vector<float>& bias) {
  ManyRows rows;
  fill_many_rows(a, m, w.in, rows);
  const std::size_t n = static_cast<std::size_t>(w.out), middle = (w.groups() + 1) / 2;
  std::vector<float> c(static_cast<std::size_t>(m) * n);
  nf4_packed_many(w, rows, 0, middle, bias.data(), c.data(), n);
  nf4_packed_many(w, rows, middle, w.groups(), bias.data(), c.data(), n);
  return c;
}

template <class Visit>
int for_each_way(const Visit& visit) {
  const Bf16Dot best = bf16_dot();
  int ways = 0;
  for (const Bf16Dot way : {Bf16Dot::widened, Bf16Dot::avx512, Bf16Dot::amx}) {
    if (!set_bf16_dot(way)) continue;
    visit(way);
    ++ways;
  }
  set_bf16_dot(best);
  return ways;
}

TEST(Packed4Many, EveryWayIsWithinItsRounding) {
  // Sums of 64 to 896 products with a standard deviation near 25; float16 scales are off by 2e-4, bfloat16 by 2e-3.
  const Tol fine = Tol::abs(0.05, "rounded scales, over sqrt(900) terms"),
            rough = Tol::abs(0.6, "both sides rounded to 8 bits, over sqrt(900) terms");
  WeightArena arena;
  int visited = 0;
  for (const int m : {1, 9, 31, 32, 33, 70})
    for (const int k : {64, 192, 896})
      for (const int n : {1, 16, 33, 80}) {
        const Nf4Matrix w = random_nf4(n, k);
        const Nf4Packed packed = pack_nf4(w, arena);
        const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 1),
                                 bias = normals(static_cast<std::size_t>(n), 2);
        const std::vector<float> want = plain(w, a, m, bias);
        for_each_way([&](Bf16Dot way) {
          ASSERT_TRUE(
              close(bf16_dot_name(way), product(packed, a, m, bias), want, way == Bf16Dot::widened ? fine : rough))
              << m << ' ' << k << ' ' << n;
          ++visited;
        });
        const auto [scalar, fast] = test::scalar_and_simd([&] { return product(packed, a, m, bias); });
        ASSERT_TRUE(close("scalar", scalar, want, fine));
      }
  EXPECT_GE(visited, 6 * 3 * 4);
}

TEST(Packed4Many, BothUnpackersEqualTheDefinitionToTheBit) {
  WeightArena arena;
  const int n = 33, k = 192;
  const Nf4Matrix w = random_nf4(n, k);
  const Nf4Packed packed = pack_nf4(w, arena);
  for (std::size_t g = 0; g < packed.groups(); ++g) {
    std::vector<float> floats(static_cast<std::size_t>(k) * 16), fast(floats.size());
    nf4_group_floats(packed, g, floats.data());
    for (int lane = 0; lane < 16; ++lane)
      for (int j = 0; j < k; ++j) {
        const std::size_t row = g * 16 + static_cast<std::size_t>(lane);
        float want = 0;
        if (row < static_cast<std::size_t>(n)) {
          const std::size_t flat = row * static_cast<std::size_t>(k) + static_cast<std::size_t>(j);
          const std::uint16_t half = narrow_half(w.scales[flat / 64] / packed.unit);
          float scale;
          widen_half(&half, 1, &scale);
          const unsigned pair = w.codes[flat / 2];
          want = w.map[flat % 2 == 0 ? pair >> 4 : pair & 15u] * (scale * packed.unit);
        }
        EXPECT_EQ(std::fabs(floats[static_cast<std::size_t>(j * 16 + lane)]), std::fabs(want));
      }
    if (simd() < Simd::avx2) continue;
    nf4_group_floats_avx2(packed, g, fast.data());
    EXPECT_EQ(floats, fast);
    if (bf16_dot() == Bf16Dot::widened) continue;
    std::vector<std::uint16_t> pairs(floats.size()), pairs_fast(floats.size());
    nf4_group_pairs(packed, g, pairs.data());
    nf4_group_pairs_avx512(packed, g, pairs_fast.data());
    EXPECT_EQ(pairs, pairs_fast);
  }
}

TEST(Packed4Many, AWrongScaleIsNoticed) {
  WeightArena arena;
  const Nf4Matrix w = random_nf4(48, 128);
  Nf4Matrix faulty = w;
  std::swap(faulty.scales[0], faulty.scales[1]);
  const std::vector<float> a = normals(40 * 128, 3), bias(48, 0.f);
  EXPECT_FALSE(
      close("faulty", product(pack_nf4(faulty, arena), a, 40, bias), plain(w, a, 40, bias), Tol::abs(0.6, "as above")));
}

TEST(Half, NarrowsToTheNearest) {
  for (const auto& [value, bits] : std::vector<std::pair<float, unsigned>>{{0.f, 0u},
                                                                           {1.f, 0x3c00u},
                                                                           {-2.f, 0xc000u},
                                                                           {0.1f, 0x2e66u},
                                                                           {65504.f, 0x7bffu},
                                                                           {65520.f, 0x7c00u},
                                                                           {65519.f, 0x7bffu},
                                                                           {0x1p-24f, 1u},
                                                                           {0x1p-25f, 0u},
                                                                           {0x1.8p-24f, 2u},
                                                                           {1.f + 0x1p-11f, 0x3c00u},
                                                                           {1.f + 0x3p-11f, 0x3c02u},
                                                                           {0x1.ff8p-15f, 0x3ffu},
                                                                           {0x1.fffp-1f, 0x3c00u}})
    EXPECT_EQ(narrow_half(value), bits) << value;
}

}  // namespace
}  // namespace cp
