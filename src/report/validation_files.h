#pragma once
// In:  each pair of a split: its record, the answer on it, its scores.
// Out: predictions.jsonl and predictions.csv (docs/validation.md).
// Not here: metrics.json (metrics/evaluate.h, cli/validate.cpp), pictures (overlay.h).

#include <filesystem>
#include <string>
#include <vector>

#include "data/levir.h"
#include "metrics/evaluate.h"
#include "runtime/session.h"

namespace cp {

struct PairResult {
  const PairRecord& record;
  const Answer& answer;
  const Predicted& predicted;
  const PairScores& scores;
  int components = 0;   // of the mask
  std::string overlay;  // "overlays/NAME.png"; empty: none was drawn
};

// One line of predictions.jsonl, without its end. `root` is the data folder: paths are relative to it. Coordinates,
// probabilities and scores with six decimals.
std::string prediction_line(const PairResult& pair, const std::filesystem::path& root);

// RFC 4180: a header, one line a pair, CRLF; what is not known is empty. Texts that a spreadsheet would take for a
// formula get an apostrophe in front.
std::string predictions_csv(const std::vector<PairResult>& pairs);

// "overlays/val_000001.png"; ".png" is added to other names.
std::string overlay_file(const std::string& name);

}  // namespace cp
