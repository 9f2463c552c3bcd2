#include "kernels/leading_logits.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/thread_pool.h"

namespace cp {

namespace {

constexpr double kDeviations = 4;
constexpr std::size_t kGroup = Packed4Shape::kGroup;

}  // namespace

void leading_logits(const Int8Packed& w, const Activations8& a, int count, LeadingScratch& scratch, float* c) {
  CP_CHECK(count > 0, "leading_logits: none wanted");
  const std::size_t groups = w.groups(), n = static_cast<std::size_t>(w.out), rows = static_cast<std::size_t>(a.rows);
  scratch.lower.resize(rows * groups);
  scratch.upper.resize(rows * groups);
  scratch.sorted.resize(groups);
  scratch.groups.reserve(groups);
  scratch.groups.clear();
  thread_pool().run_ranges(groups, 1, [&](std::size_t first, std::size_t last) {
    int8_packed_estimate(w, a, first, last, c, n);
    for (std::size_t r = 0; r < rows; ++r) {
      const float deviation = static_cast<float>(kDeviations * int8_estimate_deviation(a, static_cast<int>(r)));
      for (std::size_t g = first; g < last; ++g) {
        const std::size_t lanes = std::min(kGroup, n - g * kGroup);
        const float* row = c + r * n + g * kGroup;
        const float* scales = w.scales.data() + g * kGroup;
        float lower = row[0] - deviation * scales[0], upper = row[0] + deviation * scales[0];
        for (std::size_t i = 1; i < lanes; ++i) {
          lower = std::max(lower, row[i] - deviation * scales[i]);
          upper = std::max(upper, row[i] + deviation * scales[i]);
        }
        scratch.lower[r * groups + g] = lower;
        scratch.upper[r * groups + g] = upper;
      }
    }
  });
  // At least `count` logits reach the count-th largest of the groups' lower bounds: what cannot is not among them.
  const std::size_t rank = std::min(static_cast<std::size_t>(count), groups) - 1;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* lower = scratch.lower.data() + r * groups;
    std::copy_n(lower, groups, scratch.sorted.begin());
    std::nth_element(scratch.sorted.begin(), scratch.sorted.begin() + static_cast<std::ptrdiff_t>(rank),
                     scratch.sorted.end(), std::greater<>());
    const float least = scratch.sorted[rank];
    float* upper = scratch.upper.data() + r * groups;
    for (std::size_t g = 0; g < groups; ++g)
      if (!(upper[g] < least)) scratch.upper[g] = upper[g] = std::numeric_limits<float>::infinity();
  }
  for (std::size_t g = 0; g < groups; ++g)
    if (scratch.upper[g] == std::numeric_limits<float>::infinity()) scratch.groups.push_back(g);
  thread_pool().run_ranges(scratch.groups.size(), 1, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i)
      int8_packed_product(w, a, scratch.groups[i], scratch.groups[i] + 1, nullptr, c, n);
  });
}

}  // namespace cp
