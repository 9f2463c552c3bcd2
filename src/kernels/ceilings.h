#pragma once
// In:  nothing but the machine, as it is at the moment.
// Out: what it can do at most in this process now: how fast memory is read, how fast numbers are multiplied. Figures of
//      real work are given as a share of these.
// Not here: what is compared with them (bench/, cli/bench.h).

#include <cstddef>

namespace cp {

struct Ceilings {
  int threads = 1;
  double read_gb_s = 0;     // sum of an array that no cache holds, all threads together
  double fp32_gflop_s = 0;  // fused multiply-adds in registers, the widest that simd() allows
  double int8_gop_s = 0;    // products and sums of 8-bit integers as int_dot() does them; 0 where it is scalar
  double bf16_gflop_s = 0;  // products of bfloat16 as bf16_dot() does them; 0 where they are widened
};

// Each the best of `repeat` runs of some milliseconds; `bytes` is the array that is read (all threads together).
Ceilings measure_ceilings(int threads, int repeat = 5, std::size_t bytes = std::size_t{512} << 20);

}  // namespace cp
