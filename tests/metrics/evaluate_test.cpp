#include "metrics/evaluate.h"

#include <algorithm>
#include <functional>

#include "metrics/action.h"
#include "metrics/evaluation_table.h"
#include "metrics/map.h"
#include "support/test_support.h"

namespace cp {
namespace {

Image mask_from(const Json& rows) {
  if (rows.empty()) return Image(0, 0, 1);
  Image mask(static_cast<int>(rows[0].size()), static_cast<int>(rows.size()), 1);
  mask.pixels.clear();
  for (const Json& row : rows)
    for (const Json& value : row) mask.pixels.push_back(value.get<std::uint8_t>());
  return mask;
}

struct Split {
  std::vector<Truth> truths;
  std::vector<Predicted> predictions;
};

Split golden_split(const Json& golden) {
  Split split;
  for (const Json& pair : golden.at("pairs")) {
    const Image mask = mask_from(pair.at("mask"));
    split.truths.push_back({pair.at("name"), pair.at("changeflag"), pair.at("captions"), mask, find_components(mask)});
    const Json& p = pair.at("predicted");
    split.predictions.push_back({pair.at("name"), p.at("caption"), p.at("x"), p.at("y"), p.at("a")});
  }
  return split;
}

// Numbers of `got` further than 1e-9 from those of `want` (double on both sides), as JSON paths; counts those compared.
std::vector<std::string> differences(const Json& got, const Json& want, int& compared) {
  std::vector<std::string> result;
  const Json flat = want.flatten();
  for (const auto& [path, value] : flat.items()) {
    ++compared;
    const Json::json_pointer pointer(path);
    if (!got.contains(pointer)) {
      result.push_back(path + " is missing");
    } else if (value.is_number()) {
      const double error = std::abs(got.at(pointer).get<double>() - value.get<double>());
      if (!(error <= 1e-9)) result.push_back(path);
    } else if (got.at(pointer) != value) {
      result.push_back(path);
    }
  }
  return result;
}

// The scores without intervals, in the golden file's shape: {"accuracy": 0.9} for {"accuracy": {"value": 0.9, ...}}.
Json values_of(const Json& json) {
  if (!json.is_object()) return json;
  if (json.contains("value")) return json.at("value");
  Json result = Json::object();
  for (const auto& [key, value] : json.items()) result[key] = values_of(value);
  return result;
}
Json values_of(const Evaluation& evaluation) {
  Json report = values_of(Json(evaluation.report));
  report["n"] = report.at("pairs");
  report["contradictory"] = report.at("contradictory").at("n");
  report["caption"] = report.at("caption").at("text");
  report["blind"]["n"] = report.at("pairs");
  for (const char* floor : {"caption", "caption_flag"})
    report["blind"][floor] = report.at("blind").at(floor).at("text");
  return report;
}

// Without intervals, which the golden file does not hold: 0 resamples.
EvaluateOptions quick(Target target = Target::largest) {
  EvaluateOptions options;
  options.target = target;
  options.bootstrap.resamples = 0;
  return options;
}
Json scores(const Split& split, const EvaluateOptions& options = quick()) {
  return values_of(evaluate(split.truths, split.predictions, options));
}

Json golden_json() { return read_json(test::golden("metrics/evaluate.json"), ErrorKind::data); }

TEST(Evaluate, EqualsTheIndependentReport) {
  const Json golden = golden_json();
  const Split split = golden_split(golden);
  int compared = 0;
  const auto wrong = differences(scores(split), golden.at("report"), compared);
  EXPECT_TRUE(wrong.empty()) << Json(wrong).dump();
  EXPECT_EQ(compared, 69);
}

TEST(Evaluate, FindsPlantedFaults) {
  const Json golden = golden_json();
  const auto wrong_after = [&](const std::function<void(Split&)>& plant) {
    Split split = golden_split(golden);
    plant(split);
    int compared = 0;
    return differences(scores(split), golden.at("report"), compared);
  };
  EXPECT_TRUE(wrong_after([](Split&) {}).empty());
  const auto swapped = wrong_after([](Split& s) {
    for (Predicted& p : s.predictions) std::swap(p.x, p.y);
  });
  for (const char* path :
       {"/action/sr_mask", "/action/sr_largest", "/action/sr_union", "/action/sr_any", "/action/mse"})
    EXPECT_NE(std::find(swapped.begin(), swapped.end(), path), swapped.end()) << path;
  const auto flipped = wrong_after([](Split& s) { s.predictions[3].a = 1 - s.predictions[3].a; });
  for (const char* path : {"/flag/accuracy", "/flag/f1", "/action/type_accuracy", "/blind/caption_flag/all/cider"})
    EXPECT_NE(std::find(flipped.begin(), flipped.end(), path), flipped.end()) << path;
  const auto smallest_first = wrong_after([](Split& s) {
    for (Truth& t : s.truths) std::reverse(t.components.begin(), t.components.end());
  });
  EXPECT_NE(std::find(smallest_first.begin(), smallest_first.end(), "/action/sr_largest"), smallest_first.end());
}

TEST(Evaluate, MeasuresErrorsAgainstTheChosenTarget) {
  const Json golden = golden_json();
  const Split split = golden_split(golden);
  for (const char* name : {"union", "centroid"}) {
    const Json action = scores(split, quick(parse_target(name))).at("action");
    int compared = 0;
    EXPECT_TRUE(differences(action, golden.at("other_targets").at(name), compared).empty()) << name;
    EXPECT_EQ(compared, 2);
    EXPECT_EQ(action.at("sr_largest"), golden.at("report").at("action").at("sr_largest"));
  }
}

TEST(Evaluate, TakesBlindSentencesChosenElsewhere) {
  const Split split = golden_split(golden_json());
  EvaluateOptions options = quick();
  options.blind = {"no change has occurred", "a road is built"};
  const Json report = scores(split, options);
  EXPECT_EQ(report.at("blind").at("sentences").at("changed"), "a road is built");
  EXPECT_NE(report.at("blind").at("caption"), golden_json().at("report").at("blind").at("caption"));
}

TEST(Evaluate, OfNothingHasCountsButNoScores) {
  const Json report(evaluate({}, {}).report);
  EXPECT_EQ(report.at("pairs"), 0);
  int visited = 0;
  const Json flat = report.flatten();
  for (const auto& [path, value] : flat.items()) {
    if (!value.is_number()) continue;
    EXPECT_EQ(value.get<double>(), 0) << path;
    EXPECT_EQ(path.find("/value"), path.npos) << path;
    ++visited;
  }
  EXPECT_EQ(visited, 20);
}

TEST(Evaluate, RefusesOtherPairs) {
  EXPECT_THROW(evaluate({Truth{.name = "a"}}, {}), BugError);
  EXPECT_THROW(evaluate({Truth{.name = "a", .captions = {"x"}}}, {Predicted{.name = "b"}}), BugError);
}

TEST(EvaluationTable, ShowsEveryScoreBesideItsFloor) {
  const Split split = golden_split(golden_json());
  EvaluateOptions options;
  options.bootstrap.resamples = 50;
  const std::string table = evaluation_table(evaluate(split.truths, split.predictions, options).report);
  for (const char* part :
       {"40 pairs", "flag accuracy", "caption changed bleu4", "action sr_largest", "blind", "+flag", "95 % interval",
        "[0.", "2 pairs whose mask contradicts", "some houses are built along the road"})
    EXPECT_NE(table.find(part), std::string::npos) << part << "\n" << table;
  EXPECT_EQ(evaluation_table(evaluate({}, {}).report).find("0."), std::string::npos) << "a score of nothing";
}

TEST(PointHits, UseThePixelThatHoldsThePoint) {
  Image mask(8, 4, 1);
  *mask.at(2, 1) = 255;
  *mask.at(7, 3) = 255;
  *mask.at(7, 2) = 255;
  const auto components = find_components(mask);
  ASSERT_EQ(components.size(), 2u);
  const PointHits small = point_hits(mask, components, {2.0 / 8, 1.0 / 4});  // on the pixel's own corner
  EXPECT_TRUE(small.mask && small.any && small.union_box);
  EXPECT_FALSE(small.largest);
  EXPECT_FALSE(point_hits(mask, components, {3.0 / 8, 1.0 / 4}).any);  // boxes are half-open
  const PointHits corner = point_hits(mask, components, {1, 1});       // past the last pixel's centre
  EXPECT_TRUE(corner.mask && corner.largest && corner.union_box && corner.any);
  EXPECT_FALSE(point_hits(mask, components, {-3, 7}).union_box);
  EXPECT_TRUE(point_hits(mask, components, {5.5 / 8, 2.5 / 4}).union_box);
  EXPECT_THROW(point_hits(mask, {}, {0, 0}), BugError);
}

TEST(MapIou, CountsThePixelsThatTorchCounts) {
  const Json golden = golden_json();
  MapIou total, transposed;
  std::int64_t intersection = 0, either = 0;
  for (const Json& map : golden.at("maps")) {
    const auto logits = map.at("logits").get<std::vector<float>>();
    const Image mask = mask_from(map.at("mask"));
    MapIou one;
    one.add(logits, map.at("height"), map.at("width"), mask);
    EXPECT_EQ(one.intersection, map.at("intersection").get<std::int64_t>());
    EXPECT_EQ(one.either, map.at("either").get<std::int64_t>());
    EXPECT_EQ(map_iou(logits, map.at("height"), map.at("width"), mask), one.value());
    total.add(logits, map.at("height"), map.at("width"), mask);
    transposed.add(logits, map.at("width"), map.at("height"), mask);  // the planted fault: height and width swapped
    intersection += one.intersection, either += one.either;
  }
  EXPECT_EQ(golden.at("maps").size(), 3u);
  EXPECT_EQ(total.value(), static_cast<double>(intersection) / static_cast<double>(either));
  EXPECT_NE(transposed.value(), total.value());
}

TEST(MapIou, OfNoChangeAnywhereIsOne) {
  const std::vector<float> logits{-1, -2, -3, -4};
  EXPECT_EQ(map_iou(logits, 2, 2, Image(4, 4, 1)), 1);
  EXPECT_EQ(map_iou(logits, 2, 2, Image(4, 4, 1, 255)), 0);
  EXPECT_EQ(map_iou(logits, 2, 2, Image(4, 4, 1, 255), -5), 1);
  EXPECT_THROW(map_iou(logits, 2, 3, Image(4, 4, 1)), BugError);
}

}  // namespace
}  // namespace cp
