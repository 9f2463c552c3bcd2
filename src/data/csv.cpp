#include "data/csv.h"

#include <fmt/format.h>

#include "core/error.h"

namespace cp {

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where) {
  std::vector<CsvRow> rows;
  std::size_t line = 1;
  std::size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;  // spreadsheets write a byte order mark
  while (i < text.size()) {
    CsvRow row{line, {""}};
    for (; i < text.size() && text[i] != '\n'; ++i) {
      if (text[i] == ',') {
        row.cells.emplace_back();
      } else if (text[i] == '"' && row.cells.back().empty()) {
        for (++i;; ++i) {
          if (i >= text.size())
            throw UserError(ErrorKind::data, fmt::format("{}: line {}", where, row.line),
                            "a quote is opened and never closed.", "Write a quote inside a quoted cell twice.");
          if (text[i] == '\n') ++line;
          if (text[i] != '"') {
            row.cells.back() += text[i];
          } else if (i + 1 < text.size() && text[i + 1] == '"') {
            row.cells.back() += text[i++];
          } else {
            break;
          }
        }
      } else if (text[i] != '\r') {
        row.cells.back() += text[i];
      }
    }
    ++i;
    ++line;
    if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace cp
