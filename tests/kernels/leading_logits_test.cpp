#include "kernels/leading_logits.h"

#include <algorithm>
#include <numeric>

#include "core/thread_pool.h"
#include "kernels_test_support.h"

namespace cp {
namespace {

using test::normals;

Int8Matrix random_head(int n, int k) {
  Int8Matrix w{n, k, {}, {}};
  const std::vector<float> values = normals(static_cast<std::size_t>(n * k), 1);
  for (const float v : values) w.codes.push_back(static_cast<std::int8_t>(std::clamp(v * 40.f, -127.f, 127.f)));
  for (int i = 0; i < n; ++i) w.scales.push_back(0.01f + 1e-6f * static_cast<float>(i % 100));
  return w;
}

std::vector<std::size_t> best(const float* logits, std::size_t n, std::size_t count) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  order.resize(count);
  return order;
}

TEST(LeadingLogits, TheLargestAreExactAndFewRowsAreTakenTwice) {
  constexpr std::size_t n = 40005, count = 16;
  WeightArena arena;
  const int k = 64;
  const Int8Packed w = pack_int8(random_head(n, k), arena);
  LeadingScratch scratch;
  for (const int m : {1, 3})
    for (const int threads : {1, 2}) {
      thread_pool().set_threads(threads);
      Activations8 a;
      quantize_activations(normals(static_cast<std::size_t>(m * k), 2), m, k, a);
      std::vector<float> exact(static_cast<std::size_t>(m) * n), got(exact.size());
      int8_packed_product(w, a, 0, w.groups(), nullptr, exact.data(), n);
      leading_logits(w, a, count, scratch, got.data());
      for (std::size_t r = 0; r < static_cast<std::size_t>(m); ++r) {
        const std::vector<std::size_t> want = best(exact.data() + r * n, n, count);
        EXPECT_EQ(best(got.data() + r * n, n, count), want);
        for (const std::size_t i : want) EXPECT_EQ(got[r * n + i], exact[r * n + i]);
      }
      EXPECT_LT(scratch.groups.size(), static_cast<std::size_t>(m) * w.groups() / 6);
      EXPECT_NE(got, exact) << "or nothing was saved";
    }
  thread_pool().set_threads(usable_processors());
}

// Without the second look the order of estimates is another one.
TEST(LeadingLogits, EstimatesAloneAreNoticed) {
  constexpr std::size_t n = 40005, count = 16;
  WeightArena arena;
  const Int8Packed w = pack_int8(random_head(n, 64), arena);
  Activations8 a;
  quantize_activations(normals(64, 2), 1, 64, a);
  std::vector<float> exact(n), estimate(n);
  int8_packed_product(w, a, 0, w.groups(), nullptr, exact.data(), n);
  int8_packed_estimate(w, a, 0, w.groups(), estimate.data(), n);
  EXPECT_NE(best(estimate.data(), n, count), best(exact.data(), n, count));
}

}  // namespace
}  // namespace cp
