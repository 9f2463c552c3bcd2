#pragma once
// In:  the report of evaluate().
// Out: the same numbers as a table for people, intervals and floors beside them.
// Not here: the numbers (evaluate.h).

#include <string>

#include "core/json.h"

namespace cp {

// A dash stands for what was not measured.
std::string evaluation_table(const OrderedJson& report);

}  // namespace cp
