#pragma once
// In:  a run's metrics.jsonl and configuration.
// Out: a page with where the run stands and its curves, that reloads itself while the run goes on.
// Not here: writing it (live.h), the experiment report (report.h).

#include <string>
#include <string_view>

namespace cp {

struct TrainingPageOptions {
  std::string name = "run";
  bool running = true;  // the page reloads itself every 10 s
  bool chinese = false;
};

// `metrics_jsonl` may end within a line. Nothing is refused: what cannot be read is counted on the page.
std::string training_page(std::string_view metrics_jsonl, const std::string& config_yaml,
                          const TrainingPageOptions& options = {});

}  // namespace cp
