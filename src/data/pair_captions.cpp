#include "data/pair_captions.h"

#include <sstream>

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"
#include "text/unicode.h"

namespace cp {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMostCaptions = 100, kMostBytesInCaption = 2000;

// Calls use(line, "FILE, line N") for each line that holds more than blanks.
template <class Use>
void for_each_line(const std::filesystem::path& file, const Use& use) {
  std::istringstream text(read_file(file, kMostBytes, ErrorKind::data));
  std::size_t number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") != std::string::npos)
      use(line, fmt::format("{}, line {}", file.string(), number));
  }
}

std::string sentence(const std::string& raw, const std::string& where) {
  try {
    require_utf8(raw);
  } catch (const UserError& error) {
    throw UserError(ErrorKind::data, where, error.what(), "Save the file as UTF-8.");
  }
  const std::string caption = normalize_caption(raw);
  if (caption.empty() || caption.size() > kMostBytesInCaption)
    throw UserError(ErrorKind::data, where,
                    fmt::format("wanted a caption of 1 to {} bytes, found {}", kMostBytesInCaption, caption.size()),
                    "");
  return caption;
}

}  // namespace

PairCaptions PairCaptions::read(const std::filesystem::path& file) {
  PairCaptions out;
  for_each_line(file, [&](const std::string& line, const std::string& where) {
    const Json json = parse_json(line, where, ErrorKind::data);
    const std::string split = json_string(json, "split", where, ErrorKind::data);
    const std::string name = json_string(json, "name", where, ErrorKind::data);
    const Json& list = json_member(json, "captions", where, ErrorKind::data);
    if (!list.is_array() || list.empty() || list.size() > kMostCaptions)
      throw UserError(ErrorKind::data, where,
                      fmt::format("\"captions\": wanted a list of 1 to {} texts", kMostCaptions), "");
    std::vector<std::string> captions;
    for (const Json& text : list) {
      if (!text.is_string())
        throw UserError(ErrorKind::data, where, fmt::format("\"captions\": wanted texts, found {}", text.dump()), "");
      captions.push_back(sentence(text.get<std::string>(), where));
    }
    if (!out.named_.emplace(std::pair(split, name), std::move(captions)).second)
      throw UserError(ErrorKind::data, where, fmt::format("pair {} of split {} stands here a second time", name, split),
                      "Put all its captions on one line.");
  });
  const std::filesystem::path unchanged = file.parent_path() / "unchanged.txt";
  std::error_code ignored;
  if (std::filesystem::exists(unchanged, ignored))
    for_each_line(unchanged, [&](const std::string& line, const std::string& where) {
      out.unchanged_.push_back(sentence(line, where));
    });
  return out;
}

const std::vector<std::string>& PairCaptions::of(const PairRecord& record) const {
  static const std::vector<std::string> none;
  const auto found = named_.find({record.split, record.name});
  if (found != named_.end()) return found->second;
  return record.changeflag ? none : unchanged_;
}

}  // namespace cp
