#pragma once
// In:  scores, pairs, logs.
// Out: the report's figures, each with its caption; nothing where the data are absent (the table beside it says so).
// Not here: axes and marks (plot.h).

#include <span>
#include <string>

#include "report/html.h"
#include "report/results.h"

namespace cp {

// Predicted probability of change against the share that changed, with a histogram of the predictions.
std::string reliability_figure(const Say& say, const Json& metrics);
// Risk of the pairs that the model is most certain of, against their share.
std::string risk_figure(const Say& say, const Json& metrics);
// Measured against promised coverage of the region.
std::string coverage_figure(const Say& say, const Json& metrics);
// Histogram of the distance between point and target.
std::string error_figure(const Say& say, const Validation& validation);
// Small multiples of one key by stage, a line a run.
std::string curve_figures(const Say& say, std::span<const TrainingLog> runs);
// Bars of the median and 90th percentile of each stage's time.
std::string times_figure(const Say& say, const Json& metrics);

// The stages of a run in the order in which they were trained, and one key's values over the updates in one of them.
std::vector<std::string> stages_of(const TrainingLog& run);
std::vector<Point> series_of(const TrainingLog& run, const std::string& stage, const std::string& key);
const char* stage_name(const Say& say, const std::string& stage);  // nullptr: not one of ours

}  // namespace cp
