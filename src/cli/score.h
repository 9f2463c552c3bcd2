#pragma once
// In:  the arguments of `changepilot score`.
// Out: scores of a caption file against references, blind floors beside them: a table, or JSON with --json.
// Not here: the scores (metrics/), reading the files (data/caption_files.h).

#include <string>
#include <vector>

namespace cp {

int run_score(const std::vector<std::string>& args);

}  // namespace cp
