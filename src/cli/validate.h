#pragma once
// In:  the arguments of `changepilot validate`.
// Out: scores of a model on a split, each with its interval and beside its blind floor: a table, or JSON with --json;
//      files with --out (docs/validation.md).
// Not here: the scores (metrics/), the answers (runtime/).

#include <string>
#include <vector>

namespace cp {

int run_validate(const std::vector<std::string>& args);

}  // namespace cp
