#pragma once
// In:  folders of before images, after images and, where there are any, change masks; a CSV or JSON of captions.
// Out: a new folder in LEVIR-CC layout, and what was left out.
// Not here: checking the result (check.h), aligning the images.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/json.h"

namespace cp {

struct ConvertOptions {
  std::string before, after, label, captions, out, split = "draw";
  std::uint64_t seed = 0;
  template <class V>
  void fields(V& v) {
    v("before", before, "folder of the before images");
    v("after", after, "folder of the after images");
    v("label", label, "folder of the change masks (0 = unchanged)");
    v("captions", captions,
      "captions as .csv (name, caption[, caption ...]) or .json ({\"name\": [\"caption\", ...]})");
    v("out", out, "folder to make; must not exist");
    v("split", split, "draw (70/15/15 by scene) | train | val | test");
    v("seed", seed, "seed of the drawn splits");
  }
};

struct ConvertReport {
  std::map<std::string, int> pairs_of_split;
  int copied = 0, converted = 0;       // files: PNGs byte for byte; others decoded and written as PNG
  std::vector<std::string> unmatched;  // one sentence each: in A without B, caption without images ...; all left out
};

// Pairs are files of equal name, the ending aside ("x.tif" and "x.png" are one pair, named x.png). The flag is 1 when a
// caption is no no-change sentence, 0 when all are; for a pair without captions 1 when its mask marks anything. Pairs
// with neither are left out. Every image is decoded before anything is published: an unreadable file or sizes that
// differ inside a pair throw UserError(data), wrong options UserError(usage), and no folder is left behind.
ConvertReport convert_folders(const ConvertOptions& options);

// Captions by name without ending, in file order. CSV by RFC 4180: a row is a name and one or more captions, rows of
// one name add up, a first row that starts with name, file, filename or image is a heading. JSON: name -> caption or
// list of captions, or a LEVIR-CC file. Throws UserError(data) naming row or key.
std::map<std::string, std::vector<std::string>> read_caption_table(const std::filesystem::path& file);

Json report_json(const ConvertReport& report);
std::string report_text(const ConvertReport& report, int list_limit = 20);

}  // namespace cp
