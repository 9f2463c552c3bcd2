#pragma once
// In:  a model folder.
// Out: its parts timed one by one on inputs made of random numbers, and what each does a second.
// Not here: the table and the JSON (bench.cpp), ceilings (kernels/ceilings.h), training (changepilot-learn).

#include <filesystem>
#include <string>
#include <vector>

#include "cli/bench_timing.h"
#include "runtime/clip_vit.h"

namespace cp {

struct BenchOptions {
  std::filesystem::path model;
  int repeat = 5;
  VisionPrecision vision = VisionPrecision::float32;
};

struct BenchResult {
  std::string what, does;       // "decode", "32 tokens after a prompt of 160"
  Timing timing;                // of one call
  std::string unit;             // of `amount`: "tokens", "pairs"; a second by the median
  double amount = 0;            // of one call
  double gflop = 0, bytes = 0;  // of one call: multiplications and additions; weights read. 0: not counted
  bool bf16 = false;            // the multiplications are of bfloat16
};

// Names that --what takes, in the order in which they run.
const std::vector<std::string>& bench_names();

// Throws UserError: usage for a name that is none, or "train", which this program does not have; model.
BenchResult run_bench_part(const std::string& name, const BenchOptions& options);

}  // namespace cp
