#include "report/validation_files.h"

#include <cmath>

#include "core/json.h"
#include "data/csv.h"
#include "support/test_support.h"

namespace cp {
namespace {

struct Made {
  PairRecord record{"t 1.jpg", "val", "data/images/val/A/t 1.jpg", "data/images/val/B/t 1.jpg", {}, 1, {"a \"road\""}};
  Answer answer;
  Predicted predicted;
  PairScores scores;

  Made() {
    answer.caption = "=a road, \"new\"";
    answer.captions = {{answer.caption, -0.25}, {"a road", -0.5}};
    answer.region = {0.9, 0.25, {}, {{{0, 0}, {0.5, 0}, {0.5, 0.5}, {0, 0.5}}}};
    answer.levels = {{0.5, 0.125, 512}, {0.9, 0.25, 1024}};
    answer.changes = {{0.25, 0.25, 0.75, 0.01, {0, 0, 0.5, 0.5}, 4}};
    answer.times_ms = {{"head", 2}, {"total", 7.25}};
    predicted = {"t 1.jpg", answer.caption, 0.123456789, 0.5, 1, 0.75};
    predicted.samples = {{0.1, 0.2}, {0.3, 0.4}};
    scores.target = Point{0.25, 0.5};
    scores.point = PointScore{{true, false, true, true}, 0.01, 0.1, 12.5, 0.2};
    scores.caption = PairScores::Caption{0.5, 0.25, 0.75, NAN};
  }
  PairResult result(const std::string& overlay = "") const { return {record, answer, predicted, scores, 3, overlay}; }
};

TEST(PredictionLine, HoldsWhatThePageNeeds) {
  const Made made;
  const std::string line = prediction_line(made.result("overlays/t 1.jpg.png"), "data/");
  EXPECT_EQ(line.find('\n'), line.npos);
  const Json json = parse_json(line, "line", ErrorKind::data);
  EXPECT_EQ(json.at("before"), "images/val/A/t 1.jpg");
  EXPECT_EQ(json.at("after"), "images/val/B/t 1.jpg");
  EXPECT_FALSE(json.contains("label"));
  EXPECT_EQ(json.at("overlay"), "overlays/t 1.jpg.png");
  EXPECT_EQ(json.at("x"), 0.123457);
  EXPECT_EQ(json.at("target"), Json({{"x", 0.25}, {"y", 0.5}}));
  EXPECT_EQ(json.at("hits"), Json({{"mask", true}, {"largest", false}, {"union", true}, {"any", true}}));
  EXPECT_EQ(json.at("region").at("polygons")[0][2], Json({0.5, 0.5}));
  EXPECT_EQ(json.at("region").at("area"), 0.25);
  EXPECT_EQ(json.at("region").at("levels"),
            Json({{{"level", 0.5}, {"area", 0.125}}, {{"level", 0.9}, {"area", 0.25}}}));
  EXPECT_EQ(json.at("region").at("calibrated"), false);
  EXPECT_EQ(
      json.at("changes")[0],
      Json({{"x", 0.25}, {"y", 0.25}, {"mass", 0.75}, {"area", 0.01}, {"cells", 4}, {"box", {0.0, 0.0, 0.5, 0.5}}}));
  EXPECT_TRUE(json.at("abstained").is_null());
  Made silent;
  silent.answer.abstained = "blank_image";
  EXPECT_EQ(parse_json(prediction_line(silent.result(), "data"), "line", ErrorKind::data).at("abstained"),
            Json({{"reason", "blank_image"}}));
  EXPECT_EQ(json.at("samples"), Json({{0.1, 0.2}, {0.3, 0.4}}));
  EXPECT_EQ(json.at("scores").size(), 3u) << "CIDEr is not defined here";
  EXPECT_EQ(json.at("captions")[1].at("text"), "a road");
  EXPECT_EQ(json.at("components"), 3);
}

TEST(PredictionLine, OfAPairWithoutATargetSaysNull) {
  Made made;
  made.scores = {.contradictory = true};
  const Json json = parse_json(prediction_line(made.result(), "data"), "line", ErrorKind::data);
  for (const char* key : {"target", "hits", "error_px"}) EXPECT_TRUE(json.at(key).is_null()) << key;
  EXPECT_EQ(json.at("contradictory"), true);
  EXPECT_EQ(json.at("scores"), Json::object());
  EXPECT_FALSE(json.contains("overlay"));
}

TEST(PredictionLine, ReplacesBytesThatAreNoText) {
  Made made;
  made.answer.caption = "a \xff road";
  EXPECT_EQ(parse_json(prediction_line(made.result(), "data"), "line", ErrorKind::data).at("caption"),
            "a \xef\xbf\xbd road");
}

TEST(PredictionsCsv, IsReadBackCellByCell) {
  Made whole, bare;
  bare.scores = {};
  bare.answer.times_ms.clear();
  const std::string text = predictions_csv({whole.result("overlays/t 1.jpg.png"), bare.result()});
  const auto rows = parse_csv(text, "csv");
  ASSERT_EQ(rows.size(), 3u);
  for (const CsvRow& row : rows) ASSERT_EQ(row.cells.size(), rows[0].cells.size());
  const auto cell = [&](std::size_t row, const std::string& column) {
    const auto& names = rows[0].cells;
    return rows[row].cells.at(static_cast<std::size_t>(std::find(names.begin(), names.end(), column) - names.begin()));
  };
  EXPECT_EQ(cell(1, "caption"), "'=a road, \"new\"") << "no formula for a spreadsheet";
  EXPECT_EQ(cell(1, "x"), "0.123457");
  EXPECT_EQ(cell(1, "hit_mask"), "1");
  EXPECT_EQ(cell(1, "hit_largest"), "0");
  EXPECT_EQ(cell(1, "cider"), "");
  EXPECT_EQ(cell(1, "total_ms"), "7.25");
  EXPECT_EQ(cell(1, "overlay"), "overlays/t 1.jpg.png");
  for (const char* column : {"target_x", "hit_any", "error_px", "bleu4", "total_ms", "overlay"})
    EXPECT_EQ(cell(2, column), "") << column;
  EXPECT_NE(text.find("\r\n"), text.npos);
}

TEST(OverlayFile, EndsInPngOnce) {
  EXPECT_EQ(overlay_file("val_1.png"), "overlays/val_1.png");
  EXPECT_EQ(overlay_file("val_1.jpg"), "overlays/val_1.jpg.png");
}

}  // namespace
}  // namespace cp
