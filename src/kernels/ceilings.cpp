#include "kernels/ceilings.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/parallel.h"
#include "kernels/ceilings_loops.h"

namespace cp {

namespace {

constexpr double kShortest = 0.02;  // s; a run is long beside the start of its threads

// The largest of `repeat` runs of amount(t) on every thread at once, by the seconds of the slowest; in 1e9 a second.
// amount(t) works, and says how much it did.
double best_rate(int threads, int repeat, const std::function<double(std::size_t)>& amount) {
  double best = 0;
  for (int run = 0; run < repeat; ++run) {
    std::vector<double> done(static_cast<std::size_t>(threads));
    const auto start = std::chrono::steady_clock::now();
    for_each_index(done.size(), threads, [&](std::size_t t) { done[t] = amount(t); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    double all = 0;
    for (const double d : done) all += d;
    best = std::max(best, all / seconds / 1e9);
  }
  return best;
}

// What one call of a loop of multiplications does in kShortest, found by trying.
long rounds_for(const CeilingLoop& loop) {
  for (long rounds = 1 << 12;; rounds *= 2) {
    const auto start = std::chrono::steady_clock::now();
    loop.run(rounds);
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > kShortest) return rounds;
  }
}

double rate_of(const CeilingLoop& loop, int threads, int repeat) {
  if (!loop.run) return 0;
  const long rounds = rounds_for(loop);
  return best_rate(threads, repeat, [&](std::size_t) {
    loop.run(rounds);
    return loop.operations * static_cast<double>(rounds);
  });
}

}  // namespace

Ceilings measure_ceilings(int threads, int repeat, std::size_t bytes) {
  Ceilings c;
  c.threads = threads;
  c.fp32_gflop_s = rate_of(fp32_loop(), threads, repeat);
  c.int8_gop_s = rate_of(int8_loop(), threads, repeat);
  c.bf16_gflop_s = rate_of(bf16_loop(), threads, repeat);
  const std::size_t words = bytes / sizeof(std::uint64_t) / static_cast<std::size_t>(threads) / 64 * 64;
  std::vector<std::uint64_t> array(words * static_cast<std::size_t>(threads), 1);  // written: real pages
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads));
  c.read_gb_s = best_rate(threads, repeat, [&](std::size_t t) {
    sums[t] += sum_words(array.data() + t * words, words);
    return static_cast<double>(words * sizeof(std::uint64_t));
  });
  return c;
}

}  // namespace cp
