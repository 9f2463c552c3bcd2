#pragma once
// In:  the arguments of `changepilot ablate`.
// Out: a matrix of trained and validated cells, and tables about them (docs/ablation.md).
// Not here: the matrix (report/ablation_run.h); training, which child processes do.

#include <filesystem>
#include <string>
#include <vector>

namespace cp {

int run_ablate(const std::vector<std::string>& args);
// With another program in place of this one for `train` and `validate`, for tests.
int run_ablate(const std::vector<std::string>& args, const std::filesystem::path& program);

}  // namespace cp
