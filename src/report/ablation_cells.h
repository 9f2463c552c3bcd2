#pragma once
// In:  the "tables" of an ablation's config file.
// Out: its cells and tables.
// Not here: the other keys of the file (ablation_config.h).

#include <optional>
#include <string>
#include <vector>

#include "core/yaml.h"
#include "report/ablation_config.h"

namespace cp {

// Adds to config.tables and config.cells, which start from config.options; what is wrong is added to `faults`.
void read_ablation_tables(const YamlNode& list, AblationConfig& config, std::vector<YamlFault>& faults);

// What is wrong with one option of `train` ("head.kind=flow") or one word for `validate` ("--steps", "50"), if
// anything.
std::optional<std::string> train_fault(const std::string& text);
std::optional<std::string> validate_fault(const std::string& text);

}  // namespace cp
