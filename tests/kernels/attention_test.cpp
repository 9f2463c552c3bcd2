#include "kernels/attention.h"

#include <cmath>

#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

struct Case {
  int length, heads, head_dim;
  std::size_t size() const { return static_cast<std::size_t>(length * heads * head_dim); }
};

// The formula in double, one value after the other.
std::vector<float> plainly(const Case& c, const std::vector<float>& q, const std::vector<float>& k,
                           const std::vector<float>& v, double scale) {
  std::vector<float> out(c.size());
  const auto at = [&](int t, int head, int i) {
    return static_cast<std::size_t>((t * c.heads + head) * c.head_dim + i);
  };
  for (int head = 0; head < c.heads; ++head)
    for (int t = 0; t < c.length; ++t) {
      std::vector<double> weight(static_cast<std::size_t>(c.length));
      double sum = 0;
      for (int s = 0; s < c.length; ++s) {
        double score = 0;
        for (int i = 0; i < c.head_dim; ++i) score += static_cast<double>(q[at(t, head, i)]) * k[at(s, head, i)];
        sum += weight[static_cast<std::size_t>(s)] = std::exp(score * scale);
      }
      for (int i = 0; i < c.head_dim; ++i) {
        double mean = 0;
        for (int s = 0; s < c.length; ++s) mean += weight[static_cast<std::size_t>(s)] / sum * v[at(s, head, i)];
        out[at(t, head, i)] = static_cast<float>(mean);
      }
    }
  return out;
}

TEST(FullAttention, EqualsTheFormulaOnBothPaths) {
  int visited = 0;
  for (const Case c : {Case{1, 1, 1}, Case{5, 2, 8}, Case{50, 3, 16}, Case{17, 4, 10}, Case{33, 2, 64}}) {
    const std::vector<float> q = test::normals(c.size(), 1), k = test::normals(c.size(), 2),
                             v = test::normals(c.size(), 3);
    const auto [scalar, fast] = test::scalar_and_simd([&] {
      std::vector<float> out(c.size());
      full_attention(q, k, v, c.heads, c.head_dim, out);
      return out;
    });
    const double scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
    const std::vector<float> want = plainly(c, q, k, v, scale);
    const Tol tol = Tol::rel(3e-6, "float32 against float64");
    EXPECT_TRUE(close("scalar", scalar, want, tol)) << c.length;
    EXPECT_TRUE(close("simd", fast, want, tol)) << c.length;
    if (c.length > 1) {
      EXPECT_FALSE(close("another scale", fast, plainly(c, q, k, v, 1.1 * scale), tol)) << c.length;
    }
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(FullAttention, ChecksItsSizes) {
  std::vector<float> x(12), shorter(6);
  EXPECT_THROW(full_attention(x, x, x, 5, 1, x), BugError);
  EXPECT_THROW(full_attention(x, shorter, x, 2, 3, x), BugError);
  EXPECT_THROW(full_attention({}, {}, {}, 2, 3, {}), BugError);
}

}  // namespace
}  // namespace cp
