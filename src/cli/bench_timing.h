#pragma once
// In:  a piece of work.
// Out: how long it takes: one call to warm up, then repetitions, of which those count that had the processor to
//      themselves (docs/performance.md, "How it is measured").
// Not here: what is timed (bench_parts.h).

#include <functional>
#include <vector>

namespace cp {

struct Timing {
  static constexpr double kCpuShare = 0.96;  // of the calling thread; below it another program was in the way

  std::vector<double> ms;      // of the repetitions that count, as they came
  std::vector<double> shares;  // of all repetitions: the calling thread's processor time over the clock's
  int rejected = 0;            // repetitions that had less than kCpuShare
  bool contended = false;      // too few were left: all of them count

  double median() const { return quantile(0.5); }
  double least() const { return quantile(0); }
  double iqr() const { return quantile(0.75) - quantile(0.25); }
  double p90() const { return quantile(0.9); }
  double cpu_share() const;  // the median
  // Linear between the neighbours, as NumPy's default.
  double quantile(double q) const;
};

// At least `repeat` that count; after three times as many calls, whatever there is.
Timing time_calls(int repeat, const std::function<void()>& work);

}  // namespace cp
