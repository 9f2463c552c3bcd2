#include "kernels/packed4.h"

#include <cmath>

#include "kernels/half.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

Nf4Matrix random_nf4(int n, int k) { return test::random_nf4(n, k, 7); }

Int8Matrix random_int8(int n, int k) {
  Rng rng(8, Stream::test);
  Int8Matrix w{n, k, {}, {}};
  for (int i = 0; i < n * k; ++i) w.codes.push_back(static_cast<std::int8_t>(rng.below(255) - 127));
  for (int i = 0; i < n; ++i) w.scales.push_back(static_cast<float>(rng.uniform(0.01, 0.02)));
  return w;
}

// Calls visit() with every way that this processor has; how many.
template <class Visit>
int for_each_way(const Visit& visit) {
  const IntDot best = int_dot();
  int ways = 0;
  for (const IntDot way : {IntDot::scalar, IntDot::avx2, IntDot::avx2_vnni, IntDot::avx512_vnni}) {
    if (!set_int_dot(way)) continue;
    visit(int_dot_name(way));
    ++ways;
  }
  set_int_dot(best);
  return ways;
}

Activations8 quantized(const std::vector<float>& a, int m, int k) {
  Activations8 out;
  quantize_activations(a, m, k, out);
  return out;
}

template <class Matrix, class Product>
std::vector<float> product(const Matrix& w, const Activations8& a, const std::vector<float>& bias,
                           const Product& multiply) {
  const std::size_t n = static_cast<std::size_t>(w.out), middle = w.groups() / 2;
  std::vector<float> c(static_cast<std::size_t>(a.rows) * n);
  multiply(w, a, std::size_t{0}, middle, bias.data(), c.data(), n);
  multiply(w, a, middle, w.groups(), bias.data(), c.data(), n);
  return c;
}

// a W^T + bias from whole numbers, by the definition in the header.
std::vector<float> plain_nf4(const Nf4Matrix& w, const Nf4Packed& packed, const Activations8& a,
                             const std::vector<float>& bias) {
  const std::size_t k = static_cast<std::size_t>(w.in), blocks = k / 64;
  std::vector<float> c;
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.rows); ++i)
    for (std::size_t n = 0; n < static_cast<std::size_t>(w.out); ++n) {
      float sum = 0;
      for (std::size_t b = 0; b < blocks; ++b) {
        int whole = 0;
        for (std::size_t j = b * 64; j < b * 64 + 64; ++j) {
          const unsigned pair = w.codes[(n * k + j) / 2];
          whole += packed.table[j % 2 == 0 ? pair >> 4 : pair & 15u] * a.codes[i * k + j];
        }
        const std::uint16_t half = narrow_half(w.scales[n * blocks + b] / packed.unit);
        float scale;
        widen_half(&half, 1, &scale);
        sum = std::fma(static_cast<float>(whole), a.scales[i * blocks + b] * scale, sum);
      }
      c.push_back(sum * (packed.unit * packed.step) + bias[n]);
    }
  return c;
}

TEST(Packed4, EveryWayEqualsTheDefinitionToTheBit) {
  int visited = 0;
  WeightArena arena;
  for (const int m : {1, 2, 3, 4, 5, 9})
    for (const int k : {64, 128, 896})
      for (const int n : {1, 15, 16, 33, 48}) {
        const Nf4Matrix w = random_nf4(n, k);
        const Nf4Packed packed = pack_nf4(w, arena);
        const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 1),
                                 bias = normals(static_cast<std::size_t>(n), 2);
        const Activations8 codes = quantized(a, m, k);
        const std::vector<float> want = plain_nf4(w, packed, codes, bias);
        EXPECT_EQ(packed.table[0], -packed.table[15]);
        for_each_way([&](const char* way) {
          ASSERT_EQ(product(packed, codes, bias, nf4_packed_product), want) << way << ' ' << m << ' ' << k << ' ' << n;
          ++visited;
        });
      }
  EXPECT_GE(visited, 6 * 3 * 5);
}

TEST(Packed4, Int8EqualsTheDefinitionToTheBitForAnyWidth) {
  int visited = 0;
  WeightArena arena;
  for (const int m : {1, 4, 6})
    for (const int k : {1, 63, 64, 100, 896})
      for (const int n : {1, 16, 33}) {
        const Int8Matrix w = random_int8(n, k);
        const Int8Packed packed = pack_int8(w, arena);
        const std::vector<float> a = normals(static_cast<std::size_t>(m * k), 3),
                                 bias = normals(static_cast<std::size_t>(n), 4);
        const Activations8 codes = quantized(a, m, k);
        std::vector<float> want, row(static_cast<std::size_t>(k));
        const std::size_t blocks = static_cast<std::size_t>(codes.blocks());
        for (std::size_t i = 0; i < static_cast<std::size_t>(m); ++i)
          for (int r = 0; r < n; ++r) {
            float sum = 0;
            for (std::size_t b = 0; b < blocks; ++b) {
              int whole = 0;
              for (int j = static_cast<int>(b) * 64; j < std::min(k, static_cast<int>(b + 1) * 64); ++j)
                whole += w.codes[static_cast<std::size_t>(r * k + j)] *
                         codes.codes[i * blocks * 64 + static_cast<std::size_t>(j)];
              sum = std::fma(static_cast<float>(whole), codes.scales[i * blocks + b], sum);
            }
            want.push_back(sum * w.scales[static_cast<std::size_t>(r)] + bias[static_cast<std::size_t>(r)]);
          }
        for_each_way([&](const char* way) {
          ASSERT_EQ(product(packed, codes, bias, int8_packed_product), want) << way << ' ' << m << ' ' << k << ' ' << n;
          ++visited;
        });
        int8_packed_row(packed, n - 1, row);
        for (int j = 0; j < k; ++j)
          EXPECT_EQ(row[static_cast<std::size_t>(j)],
                    static_cast<float>(w.codes[static_cast<std::size_t>((n - 1) * k + j)]) * w.scales.back());
      }
  EXPECT_GE(visited, 3 * 5 * 3);
}

// The largest sums that can be: maddubs of w + 128 would saturate.
TEST(Packed4, NothingSaturates) {
  WeightArena arena;
  for (const int sign : {1, -1}) {
    Int8Matrix w{16, 128, std::vector<std::int8_t>(16 * 128, static_cast<std::int8_t>(127 * sign)),
                 std::vector<float>(16, 1.f)};
    Nf4Matrix four{16, 128, std::vector<std::uint8_t>(16 * 64, sign > 0 ? 0xff : 0x00), std::vector<float>(32, 1.f),
                   test::kNf4Map};
    const Int8Packed packed = pack_int8(w, arena);
    const Nf4Packed nf4 = pack_nf4(four, arena);
    const Activations8 a = quantized(std::vector<float>(128, 127.f), 1, 128);
    const std::vector<float> bias(16, 0.f);
    for_each_way([&](const char* way) {
      EXPECT_EQ(product(packed, a, bias, int8_packed_product),
                std::vector<float>(16, static_cast<float>(sign * 127 * 127 * 128)))
          << way;
      EXPECT_TRUE(close(way, product(nf4, a, bias, nf4_packed_product),
                        std::vector<float>(16, static_cast<float>(sign * 127 * 128)),
                        Tol::rel(1e-3, "the map is rounded to steps of 1 / 120")));
    });
  }
}

TEST(Packed4, TheEstimateIsOffByWhatItSays) {
  WeightArena arena;
  const int n = 512, k = 896;
  const Int8Matrix w = random_int8(n, k);
  const Int8Packed packed = pack_int8(w, arena);
  const Activations8 a = quantized(normals(static_cast<std::size_t>(k), 5), 1, k);
  std::vector<float> first;
  for_each_way([&](const char* way) {
    std::vector<float> exact(static_cast<std::size_t>(n)), estimate(static_cast<std::size_t>(n));
    int8_packed_product(packed, a, 0, packed.groups(), nullptr, exact.data(), exact.size());
    int8_packed_estimate(packed, a, 0, packed.groups(), estimate.data(), estimate.size());
    double square = 0, most = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      const double off = (exact[i] - estimate[i]) / w.scales[i];
      square += off * off;
      most = std::max(most, std::fabs(off));
    }
    const double deviation = int8_estimate_deviation(a, 0);
    EXPECT_NEAR(std::sqrt(square / n) / deviation, 1, 0.15) << way;
    EXPECT_LT(most, 5 * deviation) << way;
    if (first.empty()) first = estimate;
    EXPECT_EQ(first, estimate) << way;
  });
}

TEST(Packed4, SwappedNibblesAreNoticed) {
  WeightArena arena;
  const Nf4Matrix w = random_nf4(20, 128);
  Nf4Matrix faulty = w;
  for (std::uint8_t& pair : faulty.codes) pair = static_cast<std::uint8_t>(pair << 4 | pair >> 4);
  const Nf4Packed packed = pack_nf4(w, arena);
  const std::vector<float> bias(20, 0.f);
  const Activations8 a = quantized(normals(128, 6), 1, 128);
  EXPECT_NE(product(pack_nf4(faulty, arena), a, bias, nf4_packed_product), plain_nf4(w, packed, a, bias));
}

// What 8 bits cost: rms of the difference over rms of the exact product.
TEST(Packed4, EightBitsCostAboutHalfAPercent) {
  WeightArena arena;
  const int n = 896, k = 896;
  const Nf4Matrix w = random_nf4(n, k);
  const std::vector<float> a = normals(static_cast<std::size_t>(k), 9), bias(static_cast<std::size_t>(n), 0.f);
  std::vector<float> exact(static_cast<std::size_t>(n));
  nf4_gemm(a, 1, w, {}, exact);
  const std::vector<float> got = product(pack_nf4(w, arena), quantized(a, 1, k), bias, nf4_packed_product);
  double off = 0, all = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    off += (got[i] - exact[i]) * (got[i] - exact[i]);
    all += exact[i] * exact[i];
  }
  EXPECT_LT(std::sqrt(off / all), 0.01);
  EXPECT_GT(std::sqrt(off / all), 0.001) << "rounding to 8 bits is not free";
}

}  // namespace
}  // namespace cp
