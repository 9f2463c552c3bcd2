#pragma once
// In:  the arguments of `changepilot infer`.
// Out: the answer on stdout, for people or (--json) for programs; with --out the picture of it.
// Not here: how the answer comes about (runtime/session.h), the picture (report/overlay.h).

#include <string>
#include <vector>

#include "core/json.h"
#include "runtime/session.h"

namespace cp {

int run_infer(const std::vector<std::string>& args);

// {"caption","language","action":{"x","y","a","p_zoom"},"abstained":{"reason"}|null,
//  "region":{"level","area","share","polygons","levels":[{"level","area"}],"calibrated"},
//  "changes":[{"x","y","mass","area","cells","box"}],"times_ms":{...},"captions","changed","identical"}. Places are
// fractions of the image extent, boxes [x0, y0, x1, y1], polygons lists of [x, y]; times in milliseconds. These keys
// stay; more may come.
OrderedJson answer_json(const Answer& answer);

// The same for people; pixels of an image of width x height are given beside the fractions.
std::string answer_text(const Answer& answer, int width, int height);

}  // namespace cp
