#pragma once
// In:  one text.
// Out: one cell of a CSV file.
// Not here: numbers and lines (each writer has its own).

#include <string>
#include <string_view>

namespace cp {

// RFC 4180: quoted where it holds a comma, a quote or a line end. Text that a spreadsheet would take for a formula gets
// an apostrophe in front.
std::string csv_cell(std::string_view text);

}  // namespace cp
