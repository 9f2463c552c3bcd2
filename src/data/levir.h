#pragma once
// In:  a folder in LEVIR-CC / LEVIR-MCI layout: LevirCCcaptions.json and images/SPLIT/{A,B,label}/NAME
// (images/{A,B,label}/NAME
//      where the records name no split).
// Out: records of pairs, with paths, flag and captions; nothing decoded yet.
// Not here: checking every file (check.h), components (components.h).

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

struct PairRecord {
  std::string name;   // file name, unique within a split
  std::string split;  // "train", "val", "test"; empty when the file names no split
  std::filesystem::path before, after;
  std::filesystem::path label;        // empty when the folder has no label image for the pair
  int changeflag = 0;                 // 1 = changed. Taken from the five known no-change sentences when absent.
  std::vector<std::string> captions;  // normalize_caption of each; empty ones are left out
  int empty_captions = 0;             // how many were left out
};

struct LevirIndex {
  std::filesystem::path root;
  std::vector<PairRecord> pairs;  // in the order of the file
};

// Reads the caption file only. Throws UserError(data) naming record and field. `caption_file` empty: the one *.json in
// the root that holds "images".
LevirIndex read_levir(const std::filesystem::path& root, const std::filesystem::path& caption_file = {});
// Captions alone (no images beside them): the same records with empty paths.
LevirIndex read_levir_captions(const std::filesystem::path& caption_file);
// The two steps of read_levir, for those who look at the bytes themselves. `root` empty: records with empty paths.
std::filesystem::path find_caption_file(const std::filesystem::path& root);
LevirIndex parse_levir(std::string_view text, const std::string& where, const std::filesystem::path& root);

std::vector<PairRecord> pairs_of_split(const LevirIndex& index, const std::string& split);

// " there is no difference ." -> "there is no difference": trimmed, without the detached full stop, runs of blanks and
// control characters as one blank.
std::string normalize_caption(const std::string& raw);
// True for LEVIR-CC's five sentences that every unchanged pair has, in any case, with or without a full stop.
bool is_no_change_sentence(const std::string& caption);
// Scene of 1024 px that a LEVIR tile was cut from, as "test/12" (number = (scene-1)*16 + row*4 + column + 1); the
// name's stem when it does not follow that pattern. Splits and folds keep a group together.
std::string scene_group(const std::string& name);

}  // namespace cp
