#pragma once
// In:  the cells of an ablation, run or not.
// Out: the tables as numbers: mean and spread over seeds, paired differences to the baseline, blind floors.
// Not here: running (ablation_run.h), printing (ablation_files.h).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "metrics/bootstrap.h"
#include "report/ablation_run.h"

namespace cp {

struct AblationValue {
  int n = 0;  // seeds
  double mean = 0;
  std::optional<double> spread;  // sample standard deviation over the seeds; none with fewer than two
};

// Cell - baseline: the mean over the pairs and seeds that both have, each seed against the same seed.
struct AblationDifference {
  int pairs = 0, seeds = 0;
  double value = 0;
  std::optional<Interval> interval;  // 95 %, bootstrap over pairs and seeds
  bool clear() const { return interval && (interval->low > 0 || interval->high < 0); }  // leaves 0 out
};

struct AblationRow {
  std::string name;
  bool baseline = false;
  int done = 0;                                                // seeds
  std::vector<std::optional<AblationValue>> values;            // of each metric; none: in no seed's metrics.json
  std::vector<std::optional<AblationDifference>> differences;  // none: the metric is no mean over pairs
  std::vector<std::string> faults;                             // a line for each seed that failed
};

struct AblationTableResult {
  std::string name, title, question, baseline;
  std::vector<AblationRow> rows;
  std::vector<std::optional<double>> floors;  // of each metric, from the baseline's (else the first) finished cell

  bool empty() const;  // no cell has a result or a fault
};

struct AblationResults {
  std::string data, split, version;
  std::vector<int> seeds;
  std::vector<std::string> metrics;
  int resamples = 0;
  std::vector<AblationTableResult> tables;
};

AblationResults read_ablation_results(const AblationConfig& config, const AblationProgram& program,
                                      const std::vector<AblationTask>& tasks);

// Scores of single pairs by the pair's name, in one run.
using PairValues = std::map<std::string, double>;

// `cell[s]` and `baseline[s]` are of one seed. Nothing when no pair is in both.
std::optional<AblationDifference> paired_difference(const std::vector<PairValues>& cell,
                                                    const std::vector<PairValues>& baseline,
                                                    const BootstrapOptions& options);

// Nothing for no values.
std::optional<AblationValue> mean_and_spread(const std::vector<double>& values);

}  // namespace cp
