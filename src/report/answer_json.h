#pragma once
// In:  an answer.
// Out: its parts as JSON, places as fractions with four decimals.
// Not here: files (validation_files.h), the whole answer of `changepilot infer` (cli/infer.h).

#include <map>
#include <string>
#include <vector>

#include "core/json.h"
#include "runtime/session.h"

namespace cp {

double rounded(double value);  // to four decimals

// {"level", "area", "share", "polygons", "levels": [{"level", "area"}, ...], "calibrated"}; share is area's older name
OrderedJson region_json(const Answer& answer);
OrderedJson changes_json(const std::vector<Change>& changes);  // [{"x", "y", "mass", "area", "cells", "box"}, ...]
OrderedJson abstained_json(const Answer& answer);              // {"reason"} or null
OrderedJson captions_json(const std::vector<Answer::Caption>& captions);  // [{"text", "score"}, ...]
OrderedJson times_json(const std::map<std::string, double>& times_ms);

// One line or a page; bytes that are no UTF-8 become U+FFFD.
std::string dump_json(const OrderedJson& json, int indent = -1);

}  // namespace cp
