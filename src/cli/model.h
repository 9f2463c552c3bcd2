#pragma once
// In:  the arguments after `changepilot model`: new, info, check, quantize, merge or generate and theirs.
// Out: model folders, a report on stdout (text, or JSON with --json), the exit code.
// Not here: the work (runtime/assemble.h, formats/quantize_folder.h, runtime/session.h).

#include <string>
#include <vector>

namespace cp {

int run_model(const std::vector<std::string>& args);

// One each; model.cpp calls them.
int run_model_info(const std::vector<std::string>& args);      // model_info.cpp
int run_model_generate(const std::vector<std::string>& args);  // model_generate.cpp

}  // namespace cp
