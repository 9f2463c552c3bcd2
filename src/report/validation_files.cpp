#include "report/validation_files.h"

#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "report/answer_json.h"
#include "report/csv.h"

namespace cp {
namespace {

double six(double value) { return std::round(value * 1e6) / 1e6; }

OrderedJson point_json(const Point& p) { return {{"x", six(p.x)}, {"y", six(p.y)}}; }

// Texts and numbers of one line of the CSV file.
class CsvLine {
 public:
  void add(const std::string& text) { put(csv_cell(text)); }
  void add(double number) { put(std::isfinite(number) ? fmt::format("{}", six(number)) : ""); }
  void add(int number) { put(fmt::format("{}", number)); }
  template <class T>
  void add(const std::optional<T>& value) {
    value ? add(*value) : put("");
  }
  std::string line() const { return line_ + "\r\n"; }

 private:
  void put(const std::string& cell) {
    if (!first_) line_ += ',';
    first_ = false;
    line_ += cell;
  }

  std::string line_;
  bool first_ = true;
};

constexpr const char* kCsvHeader =
    "name,changeflag,contradictory,caption,caption_score,a,p_zoom,x,y,target_x,target_y,hit_mask,hit_largest,hit_union,"
    "hit_any,components,error_px,region_level,region_share,bleu4,meteor,rouge_l,cider,total_ms,overlay\r\n";

std::string csv_line(const PairResult& pair) {
  const PairScores& scores = pair.scores;
  const Answer& answer = pair.answer;
  CsvLine line;
  line.add(pair.record.name);
  line.add(pair.record.changeflag);
  line.add(scores.contradictory ? 1 : 0);
  line.add(answer.caption);
  line.add(answer.captions.empty() ? std::optional<double>() : answer.captions.front().score);
  line.add(pair.predicted.a);
  line.add(pair.predicted.p_zoom);
  line.add(pair.predicted.x);
  line.add(pair.predicted.y);
  line.add(scores.target ? std::optional(scores.target->x) : std::nullopt);
  line.add(scores.target ? std::optional(scores.target->y) : std::nullopt);
  for (const bool PointHits::*hit : {&PointHits::mask, &PointHits::largest, &PointHits::union_box, &PointHits::any})
    line.add(scores.point ? std::optional<int>(scores.point->hits.*hit ? 1 : 0) : std::nullopt);
  line.add(pair.components);
  line.add(scores.point ? std::optional(scores.point->error_px) : std::nullopt);
  line.add(answer.region.level);
  line.add(answer.region.share);
  const PairScores::Caption none{NAN, NAN, NAN, NAN};
  const PairScores::Caption caption = scores.caption.value_or(none);
  for (const double score : {caption.bleu4, caption.meteor, caption.rouge_l, caption.cider}) line.add(score);
  const auto total = answer.times_ms.find("total");
  line.add(total != answer.times_ms.end() ? std::optional(total->second) : std::nullopt);
  line.add(pair.overlay);
  return line.line();
}

std::string relative_path(const std::filesystem::path& path, const std::filesystem::path& root) {
  return path.lexically_normal().lexically_relative(root.lexically_normal()).generic_string();
}

}  // namespace

std::string overlay_file(const std::string& name) {
  return "overlays/" + name + (std::filesystem::path(name).extension() == ".png" ? "" : ".png");
}

std::string prediction_line(const PairResult& pair, const std::filesystem::path& root) {
  const PairScores& scores = pair.scores;
  const Answer& answer = pair.answer;
  OrderedJson json;
  json["name"] = pair.record.name;
  json["changeflag"] = pair.record.changeflag;
  json["contradictory"] = scores.contradictory;
  json["references"] = pair.record.captions;
  json["caption"] = answer.caption;
  if (!answer.captions.empty()) json["caption_score"] = rounded(answer.captions.front().score);
  json["captions"] = captions_json(answer.captions);
  if (!answer.thought.empty()) json["thought"] = answer.thought;
  json["changed"] = answer.changed;
  json["a"] = pair.predicted.a;
  json["p_zoom"] = six(pair.predicted.p_zoom);
  json["x"] = six(pair.predicted.x);
  json["y"] = six(pair.predicted.y);
  json["target"] = scores.target ? point_json(*scores.target) : OrderedJson();
  json["hits"] = OrderedJson();
  json["error_px"] = OrderedJson();
  if (scores.point) {
    const PointHits& hits = scores.point->hits;
    json["hits"] = {{"mask", hits.mask}, {"largest", hits.largest}, {"union", hits.union_box}, {"any", hits.any}};
    json["error_px"] = six(scores.point->error_px);
  }
  json["components"] = pair.components;
  json["abstained"] = abstained_json(answer);
  json["region"] = region_json(answer);
  json["changes"] = changes_json(answer.changes);
  json["samples"] = OrderedJson::array();
  for (const Point& sample : pair.predicted.samples) json["samples"].push_back({six(sample.x), six(sample.y)});
  json["scores"] = OrderedJson::object();
  if (scores.caption) {
    json["scores"] = {{"bleu4", six(scores.caption->bleu4)},
                      {"meteor", six(scores.caption->meteor)},
                      {"rouge_l", six(scores.caption->rouge_l)}};
    if (std::isfinite(scores.caption->cider)) json["scores"]["cider"] = six(scores.caption->cider);
  }
  json["times_ms"] = times_json(answer.times_ms);
  json["before"] = relative_path(pair.record.before, root);
  json["after"] = relative_path(pair.record.after, root);
  if (!pair.record.label.empty()) json["label"] = relative_path(pair.record.label, root);
  if (!pair.overlay.empty()) json["overlay"] = pair.overlay;
  return dump_json(json);
}

std::string predictions_csv(const std::vector<PairResult>& pairs) {
  std::string text = kCsvHeader;
  for (const PairResult& pair : pairs) text += csv_line(pair);
  return text;
}

}  // namespace cp
