#include "data/check.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "core/file.h"
#include "data/levir.h"
#include "data/look.h"
#include "text/unicode.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::uint64_t kMaxCaptionFile = std::uint64_t{256} << 20;

std::string key_of(const PairRecord& pair) { return pair.split.empty() ? pair.name : pair.split + "/" + pair.name; }

class Checker {
 public:
  explicit Checker(const fs::path& root) {
    report_.root = root;
    report_.caption_file = find_caption_file(root);
    const std::string text = read_file(report_.caption_file, kMaxCaptionFile, ErrorKind::data);
    const std::string repaired = replace_invalid_utf8(text);
    valid_utf8_ = text == repaired;
    if (!valid_utf8_) {
      const auto at = std::mismatch(text.begin(), text.end(), repaired.begin(), repaired.end()).first - text.begin();
      error(report_.caption_file.filename().string(),
            fmt::format("is not UTF-8 at byte {}; training refuses it. Save it as UTF-8.", at));
    }
    index_ = parse_levir(repaired, report_.caption_file.string(), root);
  }

  DatasetReport run() {
    looked_ = look_at_pairs(index_.pairs);
    const bool some_labels = std::any_of(index_.pairs.begin(), index_.pairs.end(),
                                         [](const PairRecord& pair) { return !pair.label.empty(); });
    count();
    for (std::size_t i = 0; i < looked_.size(); ++i) {
      const PairRecord& pair = index_.pairs[i];
      check_files(pair, looked_[i]);
      check_captions(pair);
      check_flag(pair, looked_[i]);
      if (some_labels && pair.label.empty()) warn(key_of(pair), "has no label image; other pairs have one.");
    }
    check_mask_values();
    check_splits();
    check_names();
    return std::move(report_);
  }

 private:
  void error(std::string where, std::string what) { report_.errors.push_back({std::move(where), std::move(what)}); }
  void warn(std::string where, std::string what) { report_.warnings.push_back({std::move(where), std::move(what)}); }
  std::string short_path(const fs::path& path) const {  // "val/A/NAME"
    return path.lexically_relative(report_.root / "images").generic_string();
  }

  void count() {
    std::map<std::string, std::set<std::string>> scenes;
    for (std::size_t i = 0; i < looked_.size(); ++i) {
      const PairRecord& pair = index_.pairs[i];
      SplitCounts& split = report_.splits[pair.split];
      ++split.pairs;
      split.changed += pair.changeflag;
      split.labels += pair.label.empty() ? 0 : 1;
      split.captions += static_cast<int>(pair.captions.size());
      scenes[pair.split].insert(scene_group(pair.name));
      ++report_.captions_a_pair[static_cast<int>(pair.captions.size())];
      for (const LookedFile* file : {&looked_[i].before, &looked_[i].after}) {
        if (!file->read()) continue;
        ++report_.sizes[fmt::format("{}x{}", file->width, file->height)];
        ++report_.files_read;
      }
      report_.files_read += looked_[i].label.read() ? 1 : 0;
      for (const auto& [value, pixels] : looked_[i].label.values) ++report_.mask_values[value];
    }
    for (const auto& [split, names] : scenes) report_.splits[split].scenes = static_cast<int>(names.size());
  }

  void check_files(const PairRecord& pair, const LookedPair& looked) {
    const auto unread = [&](const fs::path& path, const LookedFile& file) {
      if (!file.error.empty()) error(short_path(path), file.error);
    };
    unread(pair.before, looked.before);
    unread(pair.after, looked.after);
    unread(pair.label, looked.label);
    const auto same_size = [&](const fs::path& path, const LookedFile& file) {
      if (!file.read() || !looked.before.read()) return;
      if (file.width != looked.before.width || file.height != looked.before.height)
        error(short_path(path), fmt::format("is {}x{} px, its before image {}x{}; all files of a pair share one size.",
                                            file.width, file.height, looked.before.width, looked.before.height));
    };
    same_size(pair.after, looked.after);
    same_size(pair.label, looked.label);
  }

  void check_captions(const PairRecord& pair) {
    const auto usual = std::max_element(report_.captions_a_pair.begin(), report_.captions_a_pair.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; })
                           ->first;
    const int found = static_cast<int>(pair.captions.size());
    if (pair.empty_captions > 0) warn(key_of(pair), fmt::format("{} empty caption(s), left out.", pair.empty_captions));
    if (found == 0)
      warn(key_of(pair), "has no caption; caption training leaves the pair out.");
    else if (found != usual)
      warn(key_of(pair), fmt::format("{} captions, most pairs have {}.", found, usual));
    for (const std::string& caption : pair.captions) {
      if (caption.find(kReplacement) == std::string::npos) continue;
      if (valid_utf8_)
        warn(key_of(pair), fmt::format("caption \"{}\" was damaged before it was saved (U+FFFD).", caption));
      else
        error(key_of(pair), fmt::format("caption \"{}\" is not UTF-8.", caption));
    }
  }

  void check_flag(const PairRecord& pair, const LookedPair& looked) {
    const bool says_no_change = std::any_of(pair.captions.begin(), pair.captions.end(), is_no_change_sentence);
    if (pair.changeflag == 1 && says_no_change)
      warn(key_of(pair), "flag 1, but a caption says that nothing has changed.");
    if (pair.changeflag == 1 && looked.before.read() && looked.before.digest == looked.after.digest)
      warn(key_of(pair), "flag 1, but before and after hold the same pixels.");
    if (!looked.label.read()) return;
    const auto zero = looked.label.values.find(0);
    const int changed =
        looked.label.width * looked.label.height - (zero == looked.label.values.end() ? 0 : zero->second);
    const Agreement agreement = flag_against_mask(pair.changeflag, changed == 0);
    if (agreement == Agreement::unmarked) report_.unmarked.push_back(key_of(pair));
    if (agreement == Agreement::contradicts)
      report_.contradictory.push_back(
          {key_of(pair), fmt::format("flag 0, but its mask marks {} px as changed.", changed)});
  }

  void check_mask_values() {
    std::set<int> all;
    for (const auto& [value, files] : report_.mask_values) all.insert(value);
    report_.convention = mask_convention(all);
    if (report_.convention != MaskConvention::other) return;
    bool one_file_is_odd = false;
    for (std::size_t i = 0; i < looked_.size(); ++i) {
      std::set<int> values;
      for (const auto& [value, pixels] : looked_[i].label.values) values.insert(value);
      if (mask_convention(values) != MaskConvention::other) continue;
      one_file_is_odd = true;
      values.erase(0);
      warn(short_path(index_.pairs[i].label),
           fmt::format("mask values {}{}: no known convention, all of them count as changed.",
                       fmt::join(values.begin(),
                                 std::next(values.begin(), std::min<std::ptrdiff_t>(8, std::ssize(values))), ", "),
                       values.size() > 8 ? " ..." : ""));
    }
    if (!one_file_is_odd) warn("label images", "some follow one convention and some another (0/1 beside 0/255).");
  }

  // What stands in two splits makes scores look better than they are.
  void check_splits() {
    std::map<std::string, std::map<std::string, std::string>> pictures, scenes;  // what -> split -> first file or pair
    for (std::size_t i = 0; i < looked_.size(); ++i) {
      const PairRecord& pair = index_.pairs[i];
      scenes[scene_group(pair.name)].try_emplace(pair.split, key_of(pair));
      if (looked_[i].before.read()) pictures[looked_[i].before.digest].try_emplace(pair.split, short_path(pair.before));
      if (looked_[i].after.read()) pictures[looked_[i].after.digest].try_emplace(pair.split, short_path(pair.after));
    }
    const auto report_shared = [&](const auto& groups, const char* what) {
      for (const auto& [group, by_split] : groups)
        for (auto other = by_split.begin(); other != by_split.end(); ++other)
          if (other != by_split.begin())
            warn(by_split.begin()->second, fmt::format("{} {}, which stands in another split.", what, other->second));
    };
    report_shared(pictures, "holds the same pixels as");
    report_shared(scenes, "is of the same scene as");
  }

  void check_names() {
    std::map<std::string, std::string> by_folded;
    std::set<fs::path> folders, named;
    for (const PairRecord& pair : index_.pairs) {
      std::string folded = key_of(pair);
      std::transform(folded.begin(), folded.end(), folded.begin(), [](unsigned char c) { return std::tolower(c); });
      const auto [first, is_new] = by_folded.try_emplace(folded, key_of(pair));
      if (!is_new)
        warn(key_of(pair), fmt::format("differs from {} in case only; some systems mix them up.", first->second));
      for (const fs::path& path : {pair.before, pair.after, pair.label})
        if (!path.empty()) folders.insert(path.parent_path()), named.insert(path);
    }
    std::vector<fs::path> unnamed;
    for (const fs::path& folder : folders) {
      std::error_code absent;  // a folder that is not there was reported file by file
      for (const auto& entry : fs::directory_iterator(folder, absent))
        if (!named.contains(entry.path())) unnamed.push_back(entry.path());
    }
    std::sort(unnamed.begin(), unnamed.end());
    for (const fs::path& path : unnamed) warn(short_path(path), "is named by no record and never used.");
  }

  DatasetReport report_;
  LevirIndex index_;
  std::vector<LookedPair> looked_;
  bool valid_utf8_ = true;
};

}  // namespace

MaskConvention mask_convention(const std::set<int>& values) {
  std::set<int> marks = values;
  marks.erase(0);
  if (values.empty()) return MaskConvention::none;
  if (marks.empty()) return MaskConvention::empty;
  if (marks == std::set<int>{1}) return MaskConvention::zero_one;
  if (marks == std::set<int>{255}) return MaskConvention::levir_cd;
  if (marks == std::set<int>{128} || marks == std::set<int>{128, 255}) return MaskConvention::levir_mci;
  return MaskConvention::other;
}

DatasetReport check_dataset(const fs::path& root) {
  const auto start = std::chrono::steady_clock::now();
  DatasetReport report = Checker(root).run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace cp
