#pragma once
// In:  a folder in LEVIR-CC / LEVIR-MCI layout.
// Out: a report on every one of its files: what is broken, what is odd, what training does about it.
// Not here: decoding (look.h), repairing anything, reading a wrong caption file any further than levir.h does.

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/components.h"

namespace cp {

struct Finding {
  std::string where;  // "val/A/test_000017.png", "train/test_000033.png: caption 2"
  std::string what;   // one sentence
  bool operator==(const Finding&) const = default;
};

struct SplitCounts {
  int pairs = 0, changed = 0, labels = 0, captions = 0, scenes = 0;  // labels: pairs that have one; scenes: scene_group
};

// Which values the masks hold, over all files of the folder.
enum class MaskConvention {
  none,       // no label images
  empty,      // only zeros
  levir_mci,  // 0, 128, 255: none, road, building
  levir_cd,   // 0, 255: none, building
  zero_one,   // 0, 1: none, changed; looks black in a viewer
  other,      // anything else: every value but 0 counts as changed
};
const char* mask_convention_text(MaskConvention convention);
MaskConvention mask_convention(const std::set<int>& values);

struct DatasetReport {
  std::filesystem::path root, caption_file;
  std::map<std::string, SplitCounts> splits;  // by split
  std::map<std::string, int> sizes;           // "256x256" -> images (before and after) of that size
  std::map<int, int> mask_values;             // value -> label files that hold it
  MaskConvention convention = MaskConvention::none;
  std::map<int, int> captions_a_pair;  // number of captions -> pairs
  std::vector<Finding> contradictory;  // Agreement::contradicts
  std::vector<std::string> unmarked;   // Agreement::unmarked, as "split/name"
  std::vector<Finding> errors;         // training or scoring would stop or go wrong here
  std::vector<Finding> warnings;       // usable, but look at it
  int files_read = 0;                  // images and labels decoded
  double seconds = 0;

  bool usable() const { return errors.empty(); }
};

// Reads every file with all cores. Errors: a file missing or unreadable, sizes that differ inside a pair, captions that
// are not UTF-8. Warnings: captions empty, damaged or of unusual number, no label for some pairs, unknown mask values,
// the same pixels or the same scene in two splits, a flag "changed" with equal pixels or a no-change sentence, names
// that differ in case only, image files that no record names. Pairs whose flag contradicts the mask are listed apart;
// they are no errors. Throws UserError(data) when the caption file itself is wrong (levir.h).
DatasetReport check_dataset(const std::filesystem::path& root);

Json report_json(const DatasetReport& report);
// For people. Long lists are cut after `list_limit` lines, with the number left out; JSON holds them all.
std::string report_text(const DatasetReport& report, int list_limit = 20);

}  // namespace cp
