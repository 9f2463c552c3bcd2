#include "report/results.h"

#include <cmath>
#include <functional>

#include "core/file.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxBytes = std::uint64_t{512} << 20;
constexpr std::size_t kMostSamples = 4096, kMostCorners = 20000;

// Calls `use` for each line that is a JSON object; returns the number of others.
int each_object(std::string_view text, const std::function<void(Json&&)>& use) {
  int damaged = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \r\t") == line.npos) continue;
    try {
      Json json = parse_json(line, "line", ErrorKind::data);
      if (!json.is_object()) throw UserError(ErrorKind::data, "line", "no object", "");
      use(std::move(json));
    } catch (const UserError&) {
      ++damaged;
    }
  }
  return damaged;
}

std::optional<double> as_number(const Json& json) {
  if (!json.is_number()) return std::nullopt;
  const double value = json.get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

bool find_bool(const Json& json, std::string_view path) {
  const Json* found = find_member(json, path);
  return found && found->is_boolean() && found->get<bool>();
}

int find_flag(const Json& json, std::string_view path) { return find_number(json, path).value_or(0) > 0.5 ? 1 : 0; }

std::optional<Point> as_point(const Json& json) {
  if (!json.is_array() || json.size() != 2) return std::nullopt;
  const auto x = as_number(json[0]), y = as_number(json[1]);
  return x && y ? std::optional(Point{*x, *y}) : std::nullopt;
}

std::vector<Point> as_points(const Json& json, std::size_t most) {
  std::vector<Point> out;
  if (!json.is_array()) return out;
  for (const Json& item : json) {
    const auto point = as_point(item);
    if (point && out.size() < most) out.push_back(*point);
  }
  return out;
}

std::optional<Point> find_point(const Json& json, const std::string& prefix) {
  const auto x = find_number(json, prefix + "x"), y = find_number(json, prefix + "y");
  return x && y ? std::optional(Point{*x, *y}) : std::nullopt;
}

}  // namespace

std::string folder_name(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return whole.has_filename() ? whole.filename().string() : whole.parent_path().filename().string();
}

const Json* find_member(const Json& json, std::string_view path) {
  const Json* at = &json;
  while (true) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(path.substr(0, dot)));
    if (found == at->end()) return nullptr;
    at = &*found;
    if (dot == path.size()) return at;
    path.remove_prefix(dot + 1);
  }
}

std::optional<double> find_number(const Json& json, std::string_view path) {
  const Json* found = find_member(json, path);
  return found ? as_number(*found) : std::nullopt;
}

std::string find_text(const Json& json, std::string_view path) {
  const Json* found = find_member(json, path);
  return found && found->is_string() ? found->get<std::string>() : "";
}

std::optional<Score> find_score(const Json& scores, std::string_view path) {
  const Json* found = find_member(scores, path);
  if (!found) return std::nullopt;
  if (const auto plain = as_number(*found)) return Score{*plain, {}, {}};
  const auto value = find_number(*found, "value");
  if (!value) return std::nullopt;
  Score score{*value, find_number(*found, "low"), find_number(*found, "high")};
  if (!score.low || !score.high) score.low.reset(), score.high.reset();
  return score;
}

ReportedPair parse_pair(const Json& line) {
  ReportedPair pair;
  pair.name = find_text(line, "name");
  pair.caption = find_text(line, "caption");
  pair.before = find_text(line, "before");
  pair.after = find_text(line, "after");
  pair.label = find_text(line, "label");
  if (const Json* references = find_member(line, "references"); references && references->is_array())
    for (const Json& text : *references)
      if (text.is_string()) pair.references.push_back(text.get<std::string>());
  pair.changeflag = find_flag(line, "changeflag");
  pair.a = find_flag(line, "a");
  pair.contradictory = find_bool(line, "contradictory");
  pair.p_zoom = find_number(line, "p_zoom");
  pair.error_px = find_number(line, "error_px");
  pair.point = find_point(line, "");
  pair.target = find_point(line, "target.");
  if (const Json* hits = find_member(line, "hits"); hits && hits->is_object())
    pair.hits = ReportedPair::Hits{find_bool(*hits, "mask"), find_bool(*hits, "largest"), find_bool(*hits, "union"),
                                   find_bool(*hits, "any")};
  pair.region_level = find_number(line, "region.level").value_or(0);
  pair.region_share = find_number(line, "region.share").value_or(0);
  std::size_t corners = 0;
  if (const Json* polygons = find_member(line, "region.polygons"); polygons && polygons->is_array())
    for (const Json& polygon : *polygons) {
      std::vector<Point> points = as_points(polygon, kMostCorners - corners);
      corners += points.size();
      if (points.size() >= 3) pair.region.push_back(std::move(points));
    }
  if (const Json* samples = find_member(line, "samples")) pair.samples = as_points(*samples, kMostSamples);
  if (const Json* scores = find_member(line, "scores"); scores && scores->is_object())
    for (const auto& [key, value] : scores->items())
      if (const auto number = as_number(value)) pair.scores[key] = *number;
  return pair;
}

bool holds_validation(const fs::path& folder) { return fs::is_regular_file(folder / "metrics.json"); }
bool holds_training(const fs::path& folder) { return fs::is_regular_file(folder / "metrics.jsonl"); }

Validation read_validation(const fs::path& folder) {
  Validation out;
  out.name = folder_name(folder);
  const fs::path file = folder / "metrics.json";
  out.metrics = read_json(file, ErrorKind::data, kMaxBytes);
  if (find_text(out.metrics, "format") != "changepilot-validation")
    throw UserError(ErrorKind::data, file.string(), "wanted \"format\": \"changepilot-validation\".",
                    "`changepilot validate --out DIR` writes such files.");
  if (find_number(out.metrics, "version") != 1.0)
    throw UserError(ErrorKind::data, file.string(), "wanted \"version\": 1.", "Use the program that wrote it.");
  if (const fs::path lines = folder / "predictions.jsonl"; fs::exists(lines))
    out.damaged = each_object(read_file(lines, kMaxBytes, ErrorKind::data),
                              [&](Json&& line) { out.pairs.push_back(parse_pair(line)); });
  return out;
}

TrainingLog parse_training(std::string name, std::string_view metrics_jsonl, std::string config) {
  TrainingLog out{std::move(name), std::move(config), {}, 0};
  out.damaged = each_object(metrics_jsonl, [&](Json&& line) { out.lines.push_back(std::move(line)); });
  return out;
}

TrainingLog read_training(const fs::path& folder) {
  const fs::path config = folder / "config.yaml";
  return parse_training(folder_name(folder), read_file(folder / "metrics.jsonl", kMaxBytes, ErrorKind::data),
                        fs::is_regular_file(config) ? read_file(config, 1 << 20, ErrorKind::data) : "");
}

}  // namespace cp
