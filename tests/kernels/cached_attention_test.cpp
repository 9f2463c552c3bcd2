#include "kernels/cached_attention.h"

#include <cmath>

#include "kernels_test_support.h"

namespace cp {
namespace {

using test::close;
using test::normals;
using test::Tol;

const Tol kFloat = Tol::rel(1e-5, "float32 sums over a few dozen terms against double");

struct Plain {
  std::vector<float> k, v;  // (T, heads d)
};

// softmax(q K^T) V over the first `seen` positions, in double.
std::vector<float> attention(const float* q, const Plain& kv, int heads, int d, int head, int seen) {
  const auto at = [&](const std::vector<float>& x, int t, int i) {
    return static_cast<double>(x[static_cast<std::size_t>((t * heads + head) * d + i)]);
  };
  std::vector<double> weights;
  double sum = 0;
  for (int t = 0; t < seen; ++t) {
    double score = 0;
    for (int i = 0; i < d; ++i) score += static_cast<double>(q[i]) * at(kv.k, t, i);
    weights.push_back(std::exp(score));
    sum += weights.back();
  }
  std::vector<float> out;
  for (int i = 0; i < d; ++i) {
    double mixed = 0;
    for (int t = 0; t < seen; ++t) mixed += weights[static_cast<std::size_t>(t)] / sum * at(kv.v, t, i);
    out.push_back(static_cast<float>(mixed));
  }
  return out;
}

Plain random_positions(int count, int heads, int d) {
  const std::size_t n = static_cast<std::size_t>(count * heads * d);
  return {normals(n, 1), normals(n, 2)};
}

void fill(StoredKeys& store, const Plain& kv, int from, int to, int heads, int d) {
  for (int t = from; t < to; ++t) store.append(kv.k.data() + t * heads * d, kv.v.data() + t * heads * d);
}

TEST(CachedAttention, TwoStoresEqualOneSequence) {
  int visited = 0;
  std::vector<float> scratch;
  for (const int d : {8, 16, 20, 64})
    for (const int length : {1, 15, 16, 17, 50})
      for (const int cut : {0, 1, 16, 33}) {
        if (cut >= length) continue;
        const int heads = 2, rows = 7;
        const Plain kv = random_positions(length, heads, d);
        StoredKeys first, second;
        first.reset(heads, d, 4);  // grows
        second.reset(heads, d, 1);
        fill(first, kv, 0, length - cut, heads, d);
        fill(second, kv, length - cut, length, heads, d);
        std::vector<float> q = normals(static_cast<std::size_t>(rows * d), 3);
        for (float& x : q) x /= std::sqrt(static_cast<float>(d));
        for (int head = 0; head < heads; ++head) {
          std::vector<float> got(static_cast<std::size_t>(rows * d)), want;
          attend(q.data(), rows, head, {&first, length - cut}, {&second, cut}, false, scratch, got.data(),
                 static_cast<std::size_t>(d));
          for (int r = 0; r < rows; ++r) {
            const std::vector<float> row = attention(q.data() + r * d, kv, heads, d, head, length);
            want.insert(want.end(), row.begin(), row.end());
          }
          ASSERT_TRUE(close("attention", got, want, kFloat)) << d << ' ' << length << ' ' << cut;
          ++visited;
        }
      }
  EXPECT_EQ(visited, 2 * 4 * (1 + 2 + 2 + 3 + 4));
}

TEST(CachedAttention, CausalRowsDoNotSeeWhatFollows) {
  const int heads = 2, d = 16, length = 37, rows = 20;
  const Plain kv = random_positions(length, heads, d);
  StoredKeys store;
  store.reset(heads, d, length);
  fill(store, kv, 0, length, heads, d);
  const std::vector<float> q = normals(static_cast<std::size_t>(rows * d), 4);
  std::vector<float> scratch, got(static_cast<std::size_t>(rows * 2 * d)), faulty(got.size());
  attend(q.data(), rows, 1, {&store, length}, {}, true, scratch, got.data(), 2 * d);
  attend(q.data(), rows, 1, {&store, length}, {}, false, scratch, faulty.data(), 2 * d);
  for (int r = 0; r < rows; ++r) {
    const std::vector<float> want = attention(q.data() + r * d, kv, heads, d, 1, length - rows + 1 + r);
    const auto row = [&](const std::vector<float>& x) {
      return std::vector<float>(x.begin() + r * 2 * d, x.begin() + r * 2 * d + d);
    };
    EXPECT_TRUE(close("causal", row(got), want, kFloat)) << r;
    if (r + 1 < rows) {
      EXPECT_FALSE(close("all", row(faulty), want, kFloat)) << r;
    }
  }
}

}  // namespace
}  // namespace cp
