#include "report/ablation_tables.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "report/pair_scores.h"
#include "report/results.h"
#include "report/sections.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

// What the tables take from one validation.
struct ScoredRun {
  std::vector<std::optional<double>> scores, floors;  // of each metric
  std::vector<PairValues> pairs;                      // of each metric; empty: no mean over pairs
};

ScoredRun read_run(const fs::path& folder, const std::vector<std::string>& metrics) {
  const Validation validation = read_validation(folder);
  ScoredRun run;
  for (const std::string& path : metrics) {
    const auto score = find_score(validation.metrics, path), floor = blind_floor(validation.metrics, path);
    run.scores.push_back(score ? std::optional(score->value) : std::nullopt);
    run.floors.push_back(floor ? std::optional(floor->value) : std::nullopt);
    PairValues& values = run.pairs.emplace_back();
    if (const PairScore* single = pair_score_at(path); single && score)
      for (const ReportedPair& pair : validation.pairs)
        if (const auto value = single->of(pair); value && std::isfinite(*value)) values.emplace(pair.name, *value);
  }
  return run;
}

// Runs of one cell by seed.
using CellRuns = std::map<int, ScoredRun>;

std::vector<std::optional<AblationDifference>> differences_of(const CellRuns& cell, const CellRuns& baseline,
                                                              std::size_t metrics, const BootstrapOptions& options) {
  std::vector<std::optional<AblationDifference>> out;
  for (std::size_t m = 0; m < metrics; ++m) {
    std::vector<PairValues> ours, theirs;
    for (const auto& [seed, run] : cell)
      if (const auto found = baseline.find(seed); found != baseline.end())
        ours.push_back(run.pairs[m]), theirs.push_back(found->second.pairs[m]);
    out.push_back(paired_difference(ours, theirs, options));
  }
  return out;
}

// Reads each cell's runs once and fills one table.
class TableReader {
 public:
  TableReader(const AblationConfig& config, const std::vector<AblationTask>& tasks) : config_(config), tasks_(tasks) {}

  AblationTableResult read(const AblationTable& table) const {
    AblationTableResult out{table.name, table.title, table.question, "", {}, {}};
    std::vector<CellRuns> runs;
    std::size_t baseline = table.cells.size();
    for (const std::size_t cell : table.cells) {
      AblationRow& row = out.rows.emplace_back();
      row.name = config_.cells[cell].name;
      row.baseline = table.baseline == cell;
      if (row.baseline) baseline = out.rows.size() - 1, out.baseline = row.name;
      runs.push_back(runs_of(cell, row));
      row.done = static_cast<int>(runs.back().size());
      for (std::size_t m = 0; m < config_.options.metrics.size(); ++m) {
        std::vector<double> values;
        for (const auto& [seed, run] : runs.back())
          if (run.scores[m]) values.push_back(*run.scores[m]);
        row.values.push_back(mean_and_spread(values));
      }
    }
    add_differences(runs, baseline, out);
    add_floors(runs, baseline, out);
    return out;
  }

 private:
  CellRuns runs_of(std::size_t cell, AblationRow& row) const {
    CellRuns runs;
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (tasks_[i].cell != cell) continue;
      const AblationStatus status = status_of(tasks_, i);
      if (status.state == AblationStatus::State::failed)
        row.faults.push_back(fmt::format("{}: {} ended with exit code {}: {}", tasks_[i].label, status.step,
                                         status.code, status.last_line));
      if (status.state != AblationStatus::State::done) continue;
      try {
        runs.emplace(tasks_[i].seed, read_run(tasks_[i].folder / "validate", config_.options.metrics));
      } catch (const UserError& error) {
        row.faults.push_back(fmt::format("{}: {}", tasks_[i].label, error.what()));
      }
    }
    return runs;
  }

  void add_differences(const std::vector<CellRuns>& runs, std::size_t baseline, AblationTableResult& out) const {
    const std::size_t metrics = config_.options.metrics.size();
    for (std::size_t r = 0; r < runs.size(); ++r) {
      if (baseline < runs.size() && r != baseline)
        out.rows[r].differences = differences_of(runs[r], runs[baseline], metrics, {config_.options.resamples, 0});
      else
        out.rows[r].differences.resize(metrics);
    }
  }

  void add_floors(const std::vector<CellRuns>& runs, std::size_t baseline, AblationTableResult& out) const {
    const ScoredRun* first = nullptr;
    for (const CellRuns& cell : runs)
      if (!first && !cell.empty()) first = &cell.begin()->second;
    if (baseline < runs.size() && !runs[baseline].empty()) first = &runs[baseline].begin()->second;
    if (first)
      out.floors = first->floors;
    else
      out.floors.resize(config_.options.metrics.size());
  }

  const AblationConfig& config_;
  const std::vector<AblationTask>& tasks_;
};

}  // namespace

bool AblationTableResult::empty() const {
  return std::all_of(rows.begin(), rows.end(),
                     [](const AblationRow& row) { return row.done == 0 && row.faults.empty(); });
}

std::optional<AblationValue> mean_and_spread(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  AblationValue out{static_cast<int>(values.size()), 0, {}};
  for (const double value : values) out.mean += value / out.n;
  if (out.n < 2) return out;
  double squares = 0;
  for (const double value : values) squares += (value - out.mean) * (value - out.mean);
  out.spread = std::sqrt(squares / (out.n - 1));
  return out;
}

std::optional<AblationDifference> paired_difference(const std::vector<PairValues>& cell,
                                                    const std::vector<PairValues>& baseline,
                                                    const BootstrapOptions& options) {
  CP_CHECK(cell.size() == baseline.size(), "seeds without a partner");
  // differences[pair][seed], NaN where either lacks the pair
  std::map<std::string, std::vector<double>> differences;
  for (std::size_t s = 0; s < cell.size(); ++s)
    for (const auto& [name, value] : cell[s])
      if (const auto found = baseline[s].find(name); found != baseline[s].end())
        differences.try_emplace(name, cell.size(), NAN).first->second[s] = value - found->second;
  if (differences.empty()) return std::nullopt;
  std::vector<const std::vector<double>*> rows;
  for (const auto& [name, row] : differences) rows.push_back(&row);
  const std::vector<Estimate> estimates = bootstrap_crossed(
      rows.size(), cell.size(),
      [&](Picks pairs, Picks seeds) {
        double sum = 0;
        int n = 0;
        for (const std::size_t pair : pairs)
          for (const std::size_t seed : seeds)
            if (const double d = (*rows[pair])[seed]; std::isfinite(d)) sum += d, ++n;
        return std::vector<double>{n > 0 ? sum / n : NAN};
      },
      options);
  return AblationDifference{static_cast<int>(rows.size()), static_cast<int>(cell.size()), estimates[0].value,
                            estimates[0].interval};
}

AblationResults read_ablation_results(const AblationConfig& config, const AblationProgram& program,
                                      const std::vector<AblationTask>& tasks) {
  const AblationOptions& o = config.options;
  AblationResults out{folder_name(o.data), o.split, program.version, o.seeds, o.metrics, o.resamples, {}};
  const TableReader reader(config, tasks);
  for (const AblationTable& table : config.tables) out.tables.push_back(reader.read(table));
  return out;
}

}  // namespace cp
