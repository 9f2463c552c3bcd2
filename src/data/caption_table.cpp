#include <algorithm>

#include <fmt/format.h>

#include "core/file.h"
#include "data/convert.h"
#include "data/csv.h"
#include "data/levir.h"
#include "text/unicode.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

using CaptionTable = std::map<std::string, std::vector<std::string>>;
constexpr auto kKind = ErrorKind::data;
constexpr std::uint64_t kMaxFile = std::uint64_t{256} << 20;

std::string stem_of(const std::string& name) { return fs::path(name).stem().string(); }

bool is_heading(std::string cell) {
  cell = normalize_caption(cell);
  std::transform(cell.begin(), cell.end(), cell.begin(), [](unsigned char c) { return std::tolower(c); });
  return cell == "name" || cell == "file" || cell == "filename" || cell == "image";
}

CaptionTable from_csv(const std::string& text, const std::string& where) {
  CaptionTable table;
  std::vector<CsvRow> rows = parse_csv(text, where);
  if (!rows.empty() && is_heading(rows.front().cells.front())) rows.erase(rows.begin());
  for (const CsvRow& row : rows) {
    const std::string at = fmt::format("{}: line {}", where, row.line);
    if (row.cells.size() < 2)
      throw UserError(kKind, at, fmt::format("wanted a name and a caption, found \"{}\".", row.cells[0]),
                      "Part them by a comma; put captions that hold a comma into quotes.");
    const std::string name = stem_of(normalize_caption(row.cells[0]));
    if (name.empty()) throw UserError(kKind, at, "the name is empty.", "");
    std::vector<std::string>& captions = table[name];
    for (std::size_t i = 1; i < row.cells.size(); ++i)
      if (const std::string caption = normalize_caption(row.cells[i]); !caption.empty()) captions.push_back(caption);
  }
  return table;
}

CaptionTable from_json(const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where, kKind);
  CaptionTable table;
  // A list, "images" or chat-style keys: the LEVIR reader knows what to say about each.
  if (!json.is_object() || json.contains("images") || json.contains("conversations")) {
    for (const PairRecord& pair : parse_levir(text, where, {}).pairs) table[stem_of(pair.name)] = pair.captions;
    return table;
  }
  for (const auto& [name, value] : json.items()) {
    const Json list = value.is_array() ? value : Json::array({value});
    for (const Json& caption : list) {
      if (!caption.is_string())
        throw UserError(kKind, where,
                        fmt::format("\"{}\": wanted a caption or a list of them, found {}.", name, caption.type_name()),
                        "");
      if (const std::string words = normalize_caption(caption.get<std::string>()); !words.empty())
        table[stem_of(name)].push_back(words);
    }
  }
  return table;
}

}  // namespace

CaptionTable read_caption_table(const fs::path& file) {
  const std::string extension = file.extension().string();
  if (extension != ".csv" && extension != ".json")
    throw UserError(kKind, file.string(), fmt::format("wanted a .csv or .json of captions, found \"{}\".", extension),
                    "Rename or convert the file.");
  const std::string text = read_file(file, kMaxFile, kKind);
  if (extension == ".json") return from_json(text, file.string());
  if (replace_invalid_utf8(text) != text)  // JSON is checked by its parser
    throw UserError(kKind, file.string(), "is not UTF-8.",
                    "Save the table as UTF-8 (in a spreadsheet: \"CSV UTF-8\").");
  return from_csv(text, file.string());
}

}  // namespace cp
