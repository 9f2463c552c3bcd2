#pragma once
// In:  the arguments after `changepilot dataset`: check, build or convert and theirs.
// Out: a report on stdout (text, or JSON with --json), files, the exit code.
// Not here: the work (data/check.h, data/records.h, data/convert.h).

#include <string>
#include <vector>

namespace cp {

// 0 when done; for `check` 0 = usable (warnings and contradictory pairs included), 3 = a file is missing, unreadable or
// of another size, or the captions are not UTF-8. Wrong arguments and wrong caption files throw UserError.
int run_dataset(const std::vector<std::string>& args);

}  // namespace cp
