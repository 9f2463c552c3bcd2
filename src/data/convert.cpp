#include "data/convert.h"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "core/file.h"
#include "core/new_folder.h"
#include "core/progress.h"
#include "data/levir.h"
#include "data/split.h"
#include "image/read.h"
#include "image/write.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

using Folder = std::map<std::string, fs::path>;  // name without ending -> file
constexpr std::uint64_t kMaxImageBytes = std::uint64_t{64} << 20;
constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

Folder list_folder(const std::string& path, const char* flag) {
  if (path.empty()) return {};
  std::error_code failed;
  Folder files;
  for (const auto& entry : fs::directory_iterator(path, failed)) {
    const fs::path& file = entry.path();
    if (!entry.is_regular_file() || file.filename().string().starts_with('.')) continue;  // .DS_Store and the like
    const auto [other, is_new] = files.try_emplace(file.stem().string(), file);
    if (!is_new)
      throw UserError(ErrorKind::data, path,
                      fmt::format("\"{}\" and \"{}\" have one name, the ending aside.",
                                  other->second.filename().string(), file.filename().string()),
                      "Keep one of them.");
  }
  if (failed)
    throw UserError(ErrorKind::usage, fmt::format("--{} {}", flag, path),
                    fmt::format("cannot open the folder ({}).", failed.message()), "Name a folder of images.");
  return files;
}

struct Pair {
  std::string stem;
  fs::path before, after, label;
  std::vector<std::string> captions;
  std::string split;
};

// Names that stand on one side only go into `unmatched`.
std::vector<Pair> match(const ConvertOptions& options, std::vector<std::string>& unmatched) {
  const Folder before = list_folder(options.before, "before"), after = list_folder(options.after, "after"),
               label = list_folder(options.label, "label");
  auto captions = options.captions.empty() ? std::map<std::string, std::vector<std::string>>{}
                                           : read_caption_table(options.captions);
  std::vector<Pair> pairs;
  for (const auto& [stem, file] : before) {
    const auto other = after.find(stem);
    if (other == after.end()) {
      unmatched.push_back(fmt::format("{}: no after image of this name.", file.string()));
      continue;
    }
    Pair pair{stem, file, other->second, {}, captions[stem], ""};
    if (const auto mask = label.find(stem); mask != label.end()) pair.label = mask->second;
    if (pair.label.empty() && pair.captions.empty())
      unmatched.push_back(fmt::format("{}: neither caption nor mask, so no change flag.", file.string()));
    else
      pairs.push_back(std::move(pair));
  }
  for (const auto& [stem, file] : after)
    if (!before.contains(stem)) unmatched.push_back(fmt::format("{}: no before image of this name.", file.string()));
  for (const auto& [stem, file] : label)
    if (!before.contains(stem) || !after.contains(stem))
      unmatched.push_back(fmt::format("{}: no pair of this name.", file.string()));
  for (const auto& [stem, sentences] : captions)
    if (!before.contains(stem) && !after.contains(stem))
      unmatched.push_back(fmt::format("{}: captions of \"{}\", but no pair of this name.", options.captions, stem));
  if (pairs.empty())
    throw UserError(ErrorKind::data, options.before,
                    fmt::format("no pair can be made: {} before images, {} after images, {} masks, {} captioned names.",
                                before.size(), after.size(), label.size(), captions.size()),
                    unmatched.empty() ? "Name folders with images." : "First reason: " + unmatched.front());
  return pairs;
}

// PNG files are kept byte for byte (whatever their name says), others are written as PNG.
void place(const fs::path& from, const Image& pixels, const fs::path& to, ConvertReport& report) {
  const std::string bytes = read_file(from, kMaxImageBytes, ErrorKind::data);
  if (bytes.starts_with(kPngSignature)) {
    write_file_durable(to, bytes);
    ++report.copied;
  } else {
    write_png(to, pixels);
    ++report.converted;
  }
}

void require_size(const fs::path& file, const Image& image, const Image& before) {
  if (image.width != before.width || image.height != before.height)
    throw UserError(
        ErrorKind::data, file.string(),
        fmt::format("is {}x{} px, its before image {}x{}.", image.width, image.height, before.width, before.height),
        "All files of a pair share one size: crop or resample them first.");
}

// Writes the images of one pair and returns its record, with every field that LEVIR-CC's own records have.
OrderedJson convert_pair(const Pair& pair, int number, int& next_sentence, const fs::path& folder,
                         ConvertReport& report) {
  const std::string name = pair.stem + ".png";
  const fs::path images = folder / "images" / pair.split;
  const Image before = read_rgb(pair.before), after = read_rgb(pair.after);
  require_size(pair.after, after, before);
  place(pair.before, before, images / "A" / name, report);
  place(pair.after, after, images / "B" / name, report);

  int flag = std::all_of(pair.captions.begin(), pair.captions.end(), is_no_change_sentence) ? 0 : 1;
  if (!pair.label.empty()) {
    const Image mask = read_mask(pair.label);
    require_size(pair.label, mask, before);
    place(pair.label, mask, images / "label" / name, report);
    const bool marked = std::any_of(mask.pixels.begin(), mask.pixels.end(), [](auto value) { return value != 0; });
    if (pair.captions.empty()) flag = marked ? 1 : 0;
  }

  OrderedJson sentences = OrderedJson::array(), ids = OrderedJson::array();
  for (const std::string& caption : pair.captions) {
    OrderedJson tokens = OrderedJson::array();
    std::istringstream words(caption);
    for (std::string word; words >> word;) tokens.push_back(word);
    sentences.push_back({{"tokens", tokens}, {"raw", caption}, {"imgid", number}, {"sentid", next_sentence}});
    ids.push_back(next_sentence++);
  }
  return {{"filepath", pair.split}, {"filename", name}, {"imgid", number},       {"split", pair.split},
          {"changeflag", flag},     {"sentids", ids},   {"sentences", sentences}};
}

void require_options(const ConvertOptions& options) {
  for (const auto& [flag, value] :
       {std::pair{"before", options.before}, {"after", options.after}, {"out", options.out}})
    if (value.empty()) throw UserError(ErrorKind::usage, fmt::format("--{}", flag), "is missing.", "Name a folder.");
  if (options.label.empty() && options.captions.empty())
    throw UserError(ErrorKind::usage, "dataset convert",
                    "wanted --label or --captions: without both nothing says what changed.",
                    "Name a folder of masks or a table of captions.");
  const std::set<std::string> known = {"draw", "train", "val", "test"};
  if (!known.contains(options.split))
    throw UserError(ErrorKind::usage, "--split",
                    fmt::format("wanted draw, train, val or test, found \"{}\".", options.split), "");
  if (fs::exists(options.out))
    throw UserError(ErrorKind::write, options.out, "exists already.", "Choose another name or remove it first.");
}

}  // namespace

ConvertReport convert_folders(const ConvertOptions& options) {
  require_options(options);
  ConvertReport report;
  std::vector<Pair> pairs = match(options, report.unmatched);
  std::vector<std::string> names;
  for (const Pair& pair : pairs) names.push_back(pair.stem + ".png");
  const std::vector<std::string> drawn = draw_splits(names, options.seed);

  NewFolder folder(options.out);
  OrderedJson records = OrderedJson::array();
  int next_sentence = 0;
  Progress progress("converting", pairs.size(), "pairs");
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].split = options.split == "draw" ? drawn[i] : options.split;
    records.push_back(convert_pair(pairs[i], static_cast<int>(i), next_sentence, folder.path(), report));
    ++report.pairs_of_split[pairs[i].split];
    progress.advance();
  }
  progress.finish();
  write_file_durable(folder.path() / "LevirCCcaptions.json", OrderedJson{{"images", records}}.dump(1) + "\n");
  folder.publish();
  return report;
}

Json report_json(const ConvertReport& report) {
  return {{"pairs", report.pairs_of_split},
          {"copied", report.copied},
          {"converted", report.converted},
          {"unmatched", report.unmatched}};
}

std::string report_text(const ConvertReport& report, int list_limit) {
  std::string text;
  for (const auto& [split, pairs] : report.pairs_of_split) text += fmt::format("{}: {} pairs\n", split, pairs);
  text +=
      fmt::format("{} PNG files copied byte for byte, {} files converted to PNG\n", report.copied, report.converted);
  text += fmt::format("Left out: {}\n", report.unmatched.empty() ? "nothing" : std::to_string(report.unmatched.size()));
  for (int i = 0; i < std::min<int>(list_limit, static_cast<int>(report.unmatched.size())); ++i)
    text += fmt::format("  {}\n", report.unmatched[static_cast<std::size_t>(i)]);
  if (static_cast<int>(report.unmatched.size()) > list_limit)
    text +=
        fmt::format("  ... and {} more (--json lists all)\n", static_cast<int>(report.unmatched.size()) - list_limit);
  return text;
}

}  // namespace cp
