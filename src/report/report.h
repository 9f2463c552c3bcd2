#pragma once
// In:  validations, training logs, a model folder's facts, case studies.
// Out: the experiment report as one HTML file that needs no other; all figures as CSV; metrics.jsonl for TensorBoard.
// Not here: reading (results.h), the sections (sections.h).

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "report/compare.h"
#include "report/sections.h"

namespace cp {

struct ReportInput {
  std::vector<Validation> validations;  // the first is the one that is shown in full
  std::vector<TrainingLog> runs;
  std::optional<ModelFacts> model;
  std::vector<CaseStudy> cases;         // of the first validation
  int other_answers = 0;                // cases whose model answers otherwise now (load_steps)
  std::vector<Comparison> comparisons;  // of the others with the first
  bool chinese = false;
};

std::string report_page(const ReportInput& input);

// The same of one validation, without sliders: what `validate --out` writes beside its other files. `folder` holds
// them, `name` is what the page calls it, `data` the images, `model` the model folder.
std::string validation_page(const std::filesystem::path& folder, const std::string& name,
                            const std::filesystem::path& data, const std::filesystem::path& model);

// run,source,step,score,value,low,high with a header (RFC 4180): every number of metrics.json and of each line of
// metrics.jsonl. Text that a spreadsheet would take for a formula gets a leading apostrophe.
std::string metrics_csv(std::span<const Validation> validations, std::span<const TrainingLog> runs);

// The numbers of a log as TensorBoard events, tags "stage/key"; `wall_time` in seconds is that of every event without a
// "time" of its own.
std::string tensorboard_events(const TrainingLog& run, double wall_time);

}  // namespace cp
