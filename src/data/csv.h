#pragma once
// In:  the text of a CSV file.
// Out: its rows.
// Not here: what the cells mean.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

struct CsvRow {
  std::size_t line = 0;  // of its first character, from 1
  std::vector<std::string> cells;
};

// RFC 4180: cells in quotes may hold commas, line breaks and, doubled, quotes. Both kinds of line end and a byte order
// mark are read; empty rows are left out. Throws UserError(data) for a quote that is never closed.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where);

}  // namespace cp
