#pragma once
// In:  the arguments of `changepilot report`.
// Out: one HTML file about validations and training runs; their numbers as CSV or for TensorBoard.
// Not here: the page (report/report.h).

#include <string>
#include <vector>

namespace cp {

int run_report(const std::vector<std::string>& args);

}  // namespace cp
