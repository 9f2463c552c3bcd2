#pragma once
// In:  the arguments after `changepilot synth`.
// Out: a folder of synthetic pairs in LEVIR-CC layout, one line on stdout, the exit code.
// Not here: the pairs (data/synth.h).

#include <string>
#include <vector>

namespace cp {

// 0 when written. Bad options and a folder that holds a data set already throw UserError.
int run_synth(const std::vector<std::string>& args);

}  // namespace cp
