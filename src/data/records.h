#pragma once
// In:  a folder in LEVIR-CC / LEVIR-MCI layout.
// Out: instruction records, one a caption: before, after, instruction, caption, action, components; as JSON lines.
// Not here: checking the images (check.h), tokens (text/).

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/components.h"
#include "data/levir.h"

namespace cp {

struct RecordOptions {
  std::string target = "largest";
  std::uint64_t seed = 0;
  int min_area = 1;
  template <class V>
  void fields(V& v) {
    v("target", target, "what the action points at: largest | union | centroid");
    v("seed", seed, "seed of the drawn instructions and, where the folder names none, splits");
    v("min_area", min_area, "smallest change that counts as a component, px");
  }
};

struct InstructionRecord {
  PairRecord pair;          // split is set: drawn 70/15/15 by scene where the folder names none
  std::string instruction;  // drawn from instruction_templates in the caption's language
  std::string caption;
  int caption_index = 0;
  ActionTarget action;
  Agreement agreement = Agreement::agrees;
  int width = 0, height = 0;  // of the mask, px; 0 when the pair has none
  std::vector<Component> components;
};

// In the order of the caption file; pairs without a caption give none. Reads the caption file and the masks. Throws
// UserError(data) for a wrong caption file or mask, UserError(usage) for a wrong target. The same folder and seed give
// the same records on every machine.
std::vector<InstructionRecord> build_records(const std::filesystem::path& root, const RecordOptions& options);

// One line of the file (docs/data.md); paths relative to `root`, so that folder and file can move together.
OrderedJson record_json(const InstructionRecord& record, const std::filesystem::path& root);
void write_records(const std::filesystem::path& file, const std::vector<InstructionRecord>& records,
                   const std::filesystem::path& root);

}  // namespace cp
