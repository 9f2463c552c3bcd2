#include "cli/bench_timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include "core/error.h"

namespace cp {
namespace {

double thread_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double quantile_of(std::vector<double> x, double q) {
  CP_CHECK(!x.empty(), "quantile of nothing");
  std::sort(x.begin(), x.end());
  const double at = q * static_cast<double>(x.size() - 1);
  const std::size_t below = static_cast<std::size_t>(at), above = std::min(below + 1, x.size() - 1);
  return x[below] + (at - static_cast<double>(below)) * (x[above] - x[below]);
}

}  // namespace

double Timing::quantile(double q) const { return quantile_of(ms, q); }
double Timing::cpu_share() const { return quantile_of(shares, 0.5); }

Timing time_calls(int repeat, const std::function<void()>& work) {
  work();
  Timing timing;
  std::vector<double> all;
  while (static_cast<int>(timing.ms.size()) < repeat && static_cast<int>(all.size()) < 3 * repeat) {
    const double cpu = thread_seconds();
    const auto start = std::chrono::steady_clock::now();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double share = (thread_seconds() - cpu) / std::max(seconds, 1e-9);
    all.push_back(1e3 * seconds);
    timing.shares.push_back(share);
    if (share >= Timing::kCpuShare)
      timing.ms.push_back(all.back());
    else
      ++timing.rejected;
  }
  if (static_cast<int>(timing.ms.size()) < repeat) {
    timing.contended = true;
    timing.ms = all;
  }
  return timing;
}

}  // namespace cp
