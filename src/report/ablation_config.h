#pragma once
// In:  configs/ablation.yaml, key=value overrides.
// Out: the cells of the matrix, each with what it is trained and validated with, and the tables they stand in.
// Not here: running them (ablation_run.h). The format is described in docs/ablation.md.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/options.h"

namespace cp {

struct AblationOptions {
  std::string data, split = "val", out = "runs/ablation", base, trunk;
  std::vector<int> seeds{0};
  std::vector<std::string> metrics{"flag.accuracy", "caption.text.changed.cider", "action.sr_mask", "action.mse"};
  std::vector<std::string> train, validate;
  int resamples = 1000;

  template <class V>
  void fields(V& v) {
    v("data", data, "folder in LEVIR-CC layout");
    v("split", split, "split that is validated: train, val or test");
    v("out", out, "folder of the cells and tables");
    v("base", base, "config file of `train` that every cell starts from");
    v("trunk", trunk, "run whose phases before the head are shared, {seed} for the seed; empty = none");
    v("seeds", seeds, "seeds that every cell is trained with");
    v("metrics", metrics, "columns: dotted paths into metrics.json");
    v("train", train, "key=value options of `train` for every cell");
    v("validate", validate, "flags of `validate` for every cell");
    v("resamples", resamples, "bootstrap resamples of the paired differences");
  }
};

struct AblationCell {
  std::string table, name;
  std::vector<std::string> train;     // key=value, everything that holds for the cell
  std::vector<std::string> validate;  // flags
  std::string trunk;                  // with {seed}; empty = none
  std::size_t model = 0;              // index of the cell whose model is validated; its own: it is trained

  std::string id() const { return table + "/" + name; }
};

struct AblationTable {
  std::string name, title, question;
  std::optional<std::size_t> baseline;  // index of a cell
  std::vector<std::size_t> cells;       // indices, in the order of the rows
};

struct AblationConfig {
  AblationOptions options;
  std::vector<AblationTable> tables;
  std::vector<AblationCell> cells;  // of all tables; a model is owned by the first cell that needs it
};

// Throws UserError(usage) with all faults of the file and their lines. `overrides` are key=value of AblationOptions.
AblationConfig read_ablation(const std::filesystem::path& path, const std::vector<std::string>& overrides);
AblationConfig parse_ablation(const std::string& text, const std::string& where,
                              const std::vector<std::string>& overrides);

// "head-kind=flow" -> ("head_kind", "flow"): '-' and '_' mean the same in names. `text` holds a '='.
std::pair<std::string, std::string> train_option(const std::string& text);

}  // namespace cp
