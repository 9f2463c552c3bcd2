#include "data/caption_files.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"
#include "data/csv.h"
#include "data/levir.h"
#include "text/unicode.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
constexpr auto kKind = ErrorKind::data;
constexpr std::uint64_t kMaxFile = std::uint64_t{256} << 20;
constexpr const char* kKinds = "docs/metrics.md shows the kinds of caption files.";

std::string stem_of(const std::string& name) { return fs::path(name).stem().string(); }

std::string read_text(const fs::path& file) {
  std::string text = read_file(file, kMaxFile, kKind);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  if (replace_invalid_utf8(text) != text) throw UserError(kKind, file.string(), "is not UTF-8.", "Save it as UTF-8.");
  return text;
}

// The first character that is no blank; 0 without one.
char first_of(const std::string& text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  return at == text.npos ? '\0' : text[at];
}

std::string checked_caption(std::string caption, const std::string& where) {
  if (caption.size() > kMaxCaptionBytes)
    throw UserError(kKind, where,
                    fmt::format("a caption of {} bytes; {} are allowed.", caption.size(), kMaxCaptionBytes),
                    "Leave out what is no caption.");
  return caption;
}

// A name may be text or a number.
std::string name_text(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.dump();
  throw UserError(kKind, where, fmt::format("\"{}\": wanted a name or a number, found {}.", key, value.type_name()),
                  kKinds);
}

// Calls `use(object, where)` for each line.
template <class Use>
void each_line(const std::string& text, const std::string& file, Use use) {
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (first_of(line) == '\0') continue;
    const std::string where = fmt::format("{}: line {}", file, number);
    use(parse_json(line, where, kKind), where);
  }
}

// Whole file one object, rather than one a line?
bool is_one_object(const std::string& text) {
  return first_of(text) == '{' && !Json::accept(text.substr(0, std::min(text.find('\n'), text.size())));
}

References coco_picture(const Json& image, const std::string& where) {
  References picture;
  picture.id = name_text(json_member(image, "id", where, kKind), "id", where);
  picture.name = image.contains("file_name") ? json_string(image, "file_name", where, kKind) : picture.id;
  if (image.contains("split")) picture.split = json_string(image, "split", where, kKind);
  if (image.contains("changeflag"))
    picture.changeflag = static_cast<int>(json_integer(image, "changeflag", where, kKind, 0, 1));
  return picture;
}

std::vector<References> from_coco(const Json& json, const std::string& file) {
  std::vector<References> pictures;
  std::unordered_map<std::string, std::size_t> by_id;
  const auto list = [&](const char* key) -> const Json& {
    const Json& value = json_member(json, key, file, kKind);
    if (!value.is_array()) throw UserError(kKind, file, fmt::format("\"{}\": wanted a list.", key), kKinds);
    return value;
  };
  for (const Json& image : list("images")) {
    pictures.push_back(coco_picture(image, fmt::format("{}: images {}", file, pictures.size())));
    by_id[pictures.back().id] = pictures.size() - 1;
  }
  std::size_t number = 0;
  for (const Json& annotation : list("annotations")) {
    const std::string where = fmt::format("{}: annotations {}", file, number++);
    const std::string id = name_text(json_member(annotation, "image_id", where, kKind), "image_id", where);
    const auto found = by_id.find(id);
    if (found == by_id.end()) throw UserError(kKind, where, fmt::format("no image has the id {}.", id), kKinds);
    pictures[found->second].captions.push_back(
        checked_caption(json_string(annotation, "caption", where, kKind), where));
  }
  return pictures;
}

std::vector<References> from_levir(const std::string& text, const std::string& file) {
  std::vector<References> pictures;
  for (PairRecord& pair : parse_levir(text, file, {}).pairs) {
    for (const std::string& caption : pair.captions) checked_caption(caption, file + ": " + pair.name);
    pictures.push_back({pair.name, "", pair.split, pair.changeflag, std::move(pair.captions)});
  }
  return pictures;
}

std::vector<References> from_lines(const std::string& text, const std::string& file) {
  std::vector<References> pictures;
  each_line(text, file, [&](const Json& line, const std::string& where) {
    References picture;
    picture.name = name_text(json_member(line, "name", where, kKind), "name", where);
    if (line.contains("split")) picture.split = json_string(line, "split", where, kKind);
    if (line.contains("changeflag"))
      picture.changeflag = static_cast<int>(json_integer(line, "changeflag", where, kKind, 0, 1));
    const Json& references = json_member(line, "references", where, kKind);
    if (!references.is_array()) throw UserError(kKind, where, "\"references\": wanted a list of captions.", kKinds);
    for (const Json& reference : references) {
      if (!reference.is_string()) throw UserError(kKind, where, "\"references\": wanted a list of captions.", kKinds);
      picture.captions.push_back(checked_caption(reference.get<std::string>(), where));
    }
    pictures.push_back(std::move(picture));
  });
  return pictures;
}

Prediction from_object(const Json& object, const std::string& where) {
  for (const char* key : {"name", "filename", "image_id"})
    if (object.is_object() && object.contains(key))
      return {name_text(object.at(key), key, where),
              checked_caption(json_string(object, "caption", where, kKind), where)};
  throw UserError(kKind, where, "wanted an object with \"name\", \"filename\" or \"image_id\", and \"caption\".",
                  kKinds);
}

std::vector<Prediction> from_json(const Json& json, const std::string& file) {
  std::vector<Prediction> predictions;
  if (json.is_array()) {
    for (const Json& object : json)
      predictions.push_back(from_object(object, fmt::format("{}: entry {}", file, predictions.size())));
    return predictions;
  }
  for (const auto& [name, caption] : json.items()) {
    const std::string where = file + ": " + name;
    if (!caption.is_string()) throw UserError(kKind, where, "wanted a caption as text.", kKinds);
    predictions.push_back({name, checked_caption(caption.get<std::string>(), where)});
  }
  return predictions;
}

std::vector<Prediction> from_csv(const std::string& text, const std::string& file) {
  static const std::set<std::string> kHeadings{"name", "file", "filename", "image", "image_id"};
  std::vector<Prediction> predictions;
  const std::vector<CsvRow> rows = parse_csv(text, file);
  for (const CsvRow& row : rows) {
    if (&row == &rows.front() && kHeadings.contains(row.cells.front())) continue;
    const std::string where = fmt::format("{}: line {}", file, row.line);
    if (row.cells.size() != 2)
      throw UserError(kKind, where, fmt::format("wanted a name and a caption, found {} cells.", row.cells.size()),
                      "Put captions that hold a comma into quotes.");
    predictions.push_back({row.cells[0], checked_caption(row.cells[1], where)});
  }
  return predictions;
}

std::vector<Prediction> from_text(const std::string& text, const std::string& file) {
  std::vector<Prediction> predictions;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string caption = text.substr(at, end - at);
    if (caption.ends_with('\r')) caption.pop_back();
    predictions.push_back(
        {"", checked_caption(std::move(caption), fmt::format("{}: line {}", file, predictions.size() + 1))});
    at = end + 1;
  }
  return predictions;
}

}  // namespace

std::vector<References> read_references(const fs::path& file, const std::string& split) {
  std::string text = read_text(file);
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  const std::string where = file.string();
  std::vector<References> pictures;
  if (is_one_object(text) || text.find('\n') == text.npos) {
    const Json json = parse_json(text, where, kKind);
    pictures = json.is_object() && json.contains("annotations")  ? from_coco(json, where)
               : json.is_object() && json.contains("references") ? from_lines(text, where)
                                                                 : from_levir(text, where);
  } else {
    pictures = from_lines(text, where);
  }
  if (!split.empty()) std::erase_if(pictures, [&](const References& p) { return p.split != split; });
  if (pictures.empty())
    throw UserError(kKind, where,
                    split.empty() ? "holds no picture." : fmt::format("holds no picture of split \"{}\".", split),
                    kKinds);
  for (const References& picture : pictures)
    if (picture.captions.empty())
      throw UserError(kKind, where, fmt::format("\"{}\" has no reference caption.", picture.name), "Leave it out.");
  return pictures;
}

std::vector<Prediction> read_predictions(const fs::path& file) {
  const std::string text = read_text(file), where = file.string();
  if (file.extension() == ".csv") return from_csv(text, where);
  const char first = first_of(text);
  if (first == '[' || is_one_object(text)) return from_json(parse_json(text, where, kKind), where);
  if (first != '{') return from_text(text, where);
  std::vector<Prediction> predictions;
  each_line(text, where, [&](const Json& line, const std::string& at) {
    const bool is_map = line.is_object() && !line.contains("caption") && predictions.empty();
    if (is_map)  // a {name: caption} on one line
      predictions = from_json(line, where);
    else
      predictions.push_back(from_object(line, at));
  });
  return predictions;
}

std::vector<std::string> captions_of(const std::vector<References>& references,
                                     const std::vector<Prediction>& predictions, const std::string& where) {
  std::vector<std::string> captions;
  if (!predictions.empty() && predictions.front().name.empty()) {
    if (predictions.size() != references.size())
      throw UserError(
          kKind, where, fmt::format("{} lines for {} pictures.", predictions.size(), references.size()),
          "Write one caption a line in the order of the references, or name the pictures (JSON lines, CSV).");
    for (const Prediction& prediction : predictions) captions.push_back(prediction.caption);
    return captions;
  }
  std::unordered_map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (!by_name.try_emplace(stem_of(references[i].name), i).second)
      throw UserError(kKind, "references", fmt::format("two pictures are called \"{}\".", stem_of(references[i].name)),
                      "Choose one split with --split.");
    if (!references[i].id.empty()) by_name.try_emplace(references[i].id, i);
  }
  captions.resize(references.size());
  std::vector<bool> said(references.size());
  for (const Prediction& prediction : predictions) {
    const auto found = by_name.find(stem_of(prediction.name));
    if (found == by_name.end())
      throw UserError(kKind, where, fmt::format("\"{}\" is in no reference.", prediction.name),
                      "Leave it out, or choose its split with --split.");
    if (said[found->second])
      throw UserError(kKind, where, fmt::format("\"{}\" has two captions.", prediction.name), "Keep one.");
    said[found->second] = true;
    captions[found->second] = prediction.caption;
  }
  const auto missing = static_cast<std::size_t>(std::count(said.begin(), said.end(), false));
  if (missing == 0) return captions;
  const auto first = static_cast<std::size_t>(std::find(said.begin(), said.end(), false) - said.begin());
  throw UserError(kKind, where,
                  fmt::format("no caption for \"{}\"{}.", references[first].name,
                              missing == 1 ? "" : fmt::format(" and {} other pictures", missing - 1)),
                  "Add them (an empty caption scores 0), or choose a split with --split.");
}

}  // namespace cp
