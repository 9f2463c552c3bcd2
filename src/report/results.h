#pragma once
// In:  folders that `changepilot validate --out` and `changepilot train` write, whole or cut off.
// Out: their scores, pairs and log lines. What is absent, null or of another type reads as not measured.
// Not here: computing scores (metrics/), showing them (report.h).

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "image/point.h"

namespace cp {

struct Score {
  double value = 0;
  std::optional<double> low, high;  // 95 % interval, both or none
};

// The score at "caption.text.changed.cider": {"value","low","high"} or a plain number. Nothing when a part of the path
// is absent or the value is not finite.
std::optional<Score> find_score(const Json& scores, std::string_view path);
const Json* find_member(const Json& json, std::string_view path);            // nullptr when absent
std::optional<double> find_number(const Json& json, std::string_view path);  // finite numbers only
std::string find_text(const Json& json, std::string_view path);              // "" when absent

// One line of predictions.jsonl. Places are fractions of the image extent.
struct ReportedPair {
  struct Hits {
    bool mask = false, largest = false, union_box = false, any = false;
  };

  std::string name, caption, before, after, label;  // images relative to the data folder
  std::vector<std::string> references;
  int changeflag = 0, a = 0;
  bool contradictory = false;
  std::optional<double> p_zoom, error_px;
  std::optional<Point> point, target;
  std::optional<Hits> hits;
  double region_level = 0, region_share = 0;
  std::vector<std::vector<Point>> region;
  std::vector<Point> samples;
  std::map<std::string, double> scores;  // of this pair alone

  bool right_flag() const { return a == changeflag; }
};

struct Validation {
  std::string name;  // of the folder
  Json metrics;
  std::vector<ReportedPair> pairs;
  int damaged = 0;  // lines of predictions.jsonl that cannot be read
};

// A training run's log.
struct TrainingLog {
  std::string name;
  std::string config;  // config.yaml as it stands
  std::vector<Json> lines;
  int damaged = 0;
};

std::string folder_name(const std::filesystem::path& folder);  // "nano" of "runs/nano/"
bool holds_validation(const std::filesystem::path& folder);
bool holds_training(const std::filesystem::path& folder);

// Throws UserError(data) when metrics.json is no JSON object of a validation.
Validation read_validation(const std::filesystem::path& folder);
TrainingLog read_training(const std::filesystem::path& folder);
TrainingLog parse_training(std::string name, std::string_view metrics_jsonl, std::string config);
// One object of predictions.jsonl; at most 4096 samples and 20000 corners are kept.
ReportedPair parse_pair(const Json& line);

}  // namespace cp
