// Numbers for other programs: CSV and TensorBoard.

#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "report/csv.h"
#include "report/event_file.h"
#include "report/report.h"

namespace cp {
namespace {

// Calls `use` for every score and number below `json`, in the order of the keys.
void each_score(const Json& json, const std::string& path,
                const std::function<void(const std::string&, const Score&)>& use) {
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.items()) {
    const std::string name = path.empty() ? key : path + "." + key;
    if (const auto score = find_score(Json{{"s", value}}, "s"))
      use(name, *score);
    else if (value.is_object())
      each_score(value, name, use);
    else if (value.is_array() && value.size() <= 1000)
      for (std::size_t i = 0; i < value.size(); ++i) each_score(value[i], fmt::format("{}.{}", name, i), use);
  }
}

}  // namespace

std::string metrics_csv(std::span<const Validation> validations, std::span<const TrainingLog> runs) {
  std::string out = "run,source,step,score,value,low,high\r\n";
  const auto line = [&](const std::string& run, const char* source, const std::string& step, const std::string& name,
                        const Score& score) {
    out +=
        fmt::format("{},{},{},{},{},{},{}\r\n", csv_cell(run), source, step, csv_cell(name), score.value,
                    score.low ? fmt::format("{}", *score.low) : "", score.high ? fmt::format("{}", *score.high) : "");
  };
  for (const Validation& validation : validations)
    each_score(validation.metrics, "", [&](const std::string& name, const Score& score) {
      line(validation.name, "validation", "", name, score);
    });
  for (const TrainingLog& run : runs)
    for (const Json& entry : run.lines) {
      const std::string stage = find_text(entry, "stage"),
                        step = fmt::format("{}", find_number(entry, "step").value_or(0));
      for (const auto& [key, value] : entry.items())
        if (key != "step")
          if (const auto score = find_score(Json{{"s", value}}, "s"))
            line(run.name, "training", step, stage.empty() ? key : stage + "." + key, *score);
    }
  return out;
}

std::string tensorboard_events(const TrainingLog& run, double wall_time) {
  EventWriter writer(wall_time);
  for (const Json& line : run.lines) writer.add_line(line, find_number(line, "time").value_or(wall_time));
  return writer.take();
}

}  // namespace cp
