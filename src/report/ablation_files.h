#pragma once
// In:  the numbers of an ablation.
// Out: them as JSON, as Markdown (aligned, so that it is the terminal's text too) and as a page.
// Not here: computing them (ablation_tables.h).

#include <set>
#include <string>

#include "report/ablation_tables.h"

namespace cp {

// Tables without any result are left out, unless they are in `always`.
OrderedJson ablation_json(const AblationResults& results, const std::set<std::string>& always = {});
// `only`: names of the tables that are shown; empty: as above.
std::string ablation_text(const AblationResults& results, const std::set<std::string>& only = {});
std::string ablation_page(const AblationResults& results, bool chinese);

// Writes ablation.json, ablation.md and report.html into `folder`.
void write_ablation_files(const AblationResults& results, const std::filesystem::path& folder, bool chinese);

// True where a smaller score is better ("action.mse").
bool lower_is_better(const std::string& metric);

}  // namespace cp
