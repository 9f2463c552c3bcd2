#pragma once
// In:  the arguments of `changepilot bench`.
// Out: how fast the parts of a model run on this machine, beside what the machine can do at most: a table, or JSON.
// Not here: how times are taken (bench_timing.h), what is timed (bench_parts.h).

#include <string>
#include <vector>

namespace cp {

int run_bench(const std::vector<std::string>& args);

}  // namespace cp
