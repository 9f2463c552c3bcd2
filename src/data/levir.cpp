#include "data/levir.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr auto kKind = ErrorKind::data;
constexpr std::uint64_t kMaxCaptionFile = std::uint64_t{256} << 20;  // LEVIR-CC's own has 10 MB
constexpr const char* kLayout =
    "Wanted LEVIR-CC's layout: {\"images\": [{\"filename\", \"split\", \"changeflag\", \"sentences\": [{\"raw\"}]}]}.";

constexpr std::array<const char*, 5> kNoChange = {"there is no difference", "the two scenes seem identical",
                                                  "the scene is the same as before", "no change has occurred",
                                                  "almost nothing has changed"};

// A name from the file becomes a part of a path: it must not lead out of the folder.
void require_plain_name(const std::string& name, const std::string& key, const std::string& where) {
  const bool plain = !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain)
    throw UserError(kKind, where, fmt::format("\"{}\": wanted a plain name without folders, found \"{}\".", key, name),
                    "Put the file into the split's folder and write its name alone.");
}

[[noreturn]] void throw_chat_style(const std::string& where) {
  throw UserError(
      kKind, where, "\"sentences\" is missing, found \"conversations\": a chat-style file (LLaVA, ChangeChat).",
      std::string(kLayout) +
          " Name the data set's own caption file, or bring your captions in with `changepilot dataset convert`.");
}

// The records, wherever the root is wrong in a way that is known to happen.
const Json& image_records(const Json& root, const std::string& where) {
  const Json* first = root.is_array() && !root.empty() ? &root.front() : &root;
  if (first->is_object() && first->contains("conversations")) throw_chat_style(where);
  if (!root.is_object() || !root.contains("images"))
    throw UserError(kKind, where, fmt::format("\"images\" is missing (the file holds one {}).", root.type_name()),
                    kLayout);
  const Json& images = root.at("images");
  if (!images.is_array())
    throw UserError(kKind, where, fmt::format("\"images\": wanted a list, found {}.", images.type_name()), kLayout);
  if (images.empty())
    throw UserError(kKind, where, "\"images\" holds no record.", "Name a file with at least one pair.");
  return images;
}

void read_captions(const Json& record, PairRecord& pair, const std::string& where) {
  if (!record.contains("sentences") && record.contains("conversations")) throw_chat_style(where);
  const Json& sentences = json_member(record, "sentences", where, kKind);
  if (!sentences.is_array())
    throw UserError(kKind, where, fmt::format("\"sentences\": wanted a list, found {}.", sentences.type_name()),
                    kLayout);
  for (const Json& sentence : sentences) {
    std::string caption = normalize_caption(json_string(sentence, "raw", where + ", sentences", kKind));
    if (caption.empty()) {
      ++pair.empty_captions;
    } else {
      pair.captions.push_back(std::move(caption));
    }
  }
}

// Older downloads have no "changeflag"; their unchanged pairs are those whose captions are all no-change sentences.
int read_changeflag(const Json& record, const PairRecord& pair, const std::string& where) {
  if (record.contains("changeflag")) return static_cast<int>(json_integer(record, "changeflag", where, kKind, 0, 1));
  if (pair.captions.empty())
    throw UserError(kKind, where, "\"changeflag\" is missing and there is no caption to tell it from.",
                    "Add \"changeflag\": 0 or 1, or captions.");
  return std::all_of(pair.captions.begin(), pair.captions.end(), is_no_change_sentence) ? 0 : 1;
}

PairRecord read_record(const Json& record, std::size_t number, const std::string& file, const fs::path& root) {
  std::string where = fmt::format("{}: record {}", file, number);
  PairRecord pair;
  pair.name = json_string(record, "filename", where, kKind);
  where += fmt::format(" ({})", pair.name);
  require_plain_name(pair.name, "filename", where);

  const bool has_folder = record.contains("filepath"), has_split = record.contains("split");
  std::string folder = has_folder ? json_string(record, "filepath", where, kKind) : "";
  pair.split = has_split ? json_string(record, "split", where, kKind) : folder;
  if (!has_folder) folder = pair.split;
  if (!pair.split.empty() && pair.split != "train" && pair.split != "val" && pair.split != "test")
    throw UserError(kKind, where, fmt::format("\"split\": wanted train, val or test, found \"{}\".", pair.split),
                    "Rename the split; leave it out to let `changepilot dataset build` draw one.");
  if (!folder.empty()) require_plain_name(folder, "filepath", where);

  read_captions(record, pair, where);
  pair.changeflag = read_changeflag(record, pair, where);
  if (!root.empty()) {
    const fs::path images = folder.empty() ? root / "images" : root / "images" / folder;
    pair.before = images / "A" / pair.name;
    pair.after = images / "B" / pair.name;
    std::error_code absent;
    if (fs::exists(images / "label" / pair.name, absent)) pair.label = images / "label" / pair.name;
  }
  return pair;
}

bool is_blank(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }

}  // namespace

fs::path find_caption_file(const fs::path& root) {
  std::error_code failed;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(root, failed))
    if (entry.path().extension() == ".json" && entry.is_regular_file(failed)) found.push_back(entry.path());
  if (failed)
    throw UserError(kKind, root.string(), fmt::format("cannot open the folder ({}).", failed.message()),
                    "Name a folder in LEVIR-CC layout.");
  std::sort(found.begin(), found.end());
  if (found.empty())
    throw UserError(
        kKind, root.string(), "no caption file (*.json) in this folder.",
        "Name the folder that holds LevirCCcaptions.json and images/, or make one with `changepilot dataset convert`.");
  if (found.size() == 1) return found.front();
  if (fs::exists(root / "LevirCCcaptions.json")) return root / "LevirCCcaptions.json";
  std::vector<fs::path> holding;
  for (const fs::path& path : found) {
    const Json json = read_json(path, kKind, kMaxCaptionFile);
    if (json.is_object() && json.contains("images")) holding.push_back(path);
  }
  if (holding.size() != 1)
    throw UserError(kKind, root.string(),
                    fmt::format("wanted one *.json with \"images\", found {} among {}.", holding.size(), found.size()),
                    "Name the right one LevirCCcaptions.json.");
  return holding.front();
}

LevirIndex parse_levir(std::string_view text, const std::string& where, const fs::path& root) {
  const Json json = parse_json(text, where, kKind);
  LevirIndex index;
  index.root = root;
  std::set<std::pair<std::string, std::string>> seen;
  for (const Json& record : image_records(json, where)) {
    PairRecord pair = read_record(record, index.pairs.size(), where, root);
    if (!seen.insert({pair.split, pair.name}).second)
      throw UserError(kKind, fmt::format("{}: record {}", where, index.pairs.size()),
                      fmt::format("\"{}\" stands twice in split \"{}\".", pair.name, pair.split),
                      "Remove one of them.");
    index.pairs.push_back(std::move(pair));
  }
  return index;
}

LevirIndex read_levir(const fs::path& root, const fs::path& caption_file) {
  const fs::path file = caption_file.empty() ? find_caption_file(root) : caption_file;
  return parse_levir(read_file(file, kMaxCaptionFile, kKind), file.string(), root);
}

LevirIndex read_levir_captions(const fs::path& caption_file) {
  return parse_levir(read_file(caption_file, kMaxCaptionFile, kKind), caption_file.string(), {});
}

std::vector<PairRecord> pairs_of_split(const LevirIndex& index, const std::string& split) {
  std::vector<PairRecord> pairs;
  std::copy_if(index.pairs.begin(), index.pairs.end(), std::back_inserter(pairs),
               [&](const PairRecord& pair) { return pair.split == split; });
  return pairs;
}

std::string normalize_caption(const std::string& raw) {
  std::string text;
  for (const char c : raw) {
    if (!is_blank(c)) {
      text += c;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (text == ".") return "";
  if (text.ends_with(" .")) text.resize(text.size() - 2);
  return text;
}

bool is_no_change_sentence(const std::string& caption) {
  std::string text = normalize_caption(caption);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; });
  if (text.ends_with('.')) text.pop_back();
  return std::find(kNoChange.begin(), kNoChange.end(), text) != kNoChange.end();
}

std::string scene_group(const std::string& name) {
  const std::string stem = fs::path(name).stem().string();
  const std::size_t bar = stem.find('_');
  if (bar == std::string::npos) return stem;
  const std::string prefix = stem.substr(0, bar), digits = stem.substr(bar + 1);
  const bool tile = (prefix == "train" || prefix == "val" || prefix == "test") && digits.size() == 6 &&
                    digits.find_first_not_of("0123456789") == std::string::npos && digits != "000000";
  return tile ? fmt::format("{}/{}", prefix, (std::stoi(digits) - 1) / 16 + 1) : stem;
}

}  // namespace cp
