#include "data/records.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "core/progress.h"
#include "data/small_dataset.h"
#include "text/template.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::rectangle;
using test::SmallDataset;

std::vector<InstructionRecord> build(const fs::path& root, const std::string& target = "largest",
                                     std::uint64_t seed = 0) {
  Progress::set_quiet(true);
  RecordOptions options;
  options.target = target;
  options.seed = seed;
  return build_records(root, options);
}

TEST(Records, OneACaptionWithEveryFieldOfTheFormat) {
  SmallDataset data("records-format");
  Image mask = rectangle(255);  // 4 <= x < 10, 2 <= y < 6 of 24 x 16
  *mask.at(20, 12) = 128;
  data.add("train", "train_000001.png", 1, mask, {"a house is built", "a new house"});
  const auto records = build(data.save());
  ASSERT_EQ(records.size(), 2u);
  const auto& templates = instruction_templates("en");
  EXPECT_NE(std::find(templates.begin(), templates.end(), records[0].instruction), templates.end());
  EXPECT_EQ(records[1].caption_index, 1);

  OrderedJson json = record_json(records[0], data.root);
  json["instruction"] = "?";
  EXPECT_EQ(json, OrderedJson::parse(R"({"name": "train_000001.png", "split": "train",
    "before": "images/train/A/train_000001.png", "after": "images/train/B/train_000001.png", "instruction": "?",
    "caption": "a house is built", "caption_index": 0, "changeflag": 1, "action": {"x": 0.291667, "y": 0.25, "a": 1},
    "label": "images/train/label/train_000001.png", "flag_against_mask": "agrees", "size": [24, 16],
    "components": [{"class": "building", "box": [4, 2, 10, 6], "area": 24, "centroid": [7.0, 4.0]},
                   {"class": "road", "box": [20, 12, 21, 13], "area": 1, "centroid": [20.5, 12.5]}]})"))
      << json.dump();
}

TEST(Records, TargetAndSmallestComponentAreOptions) {
  SmallDataset data("records-target");
  Image mask = rectangle(255);
  *mask.at(23, 15) = 255;
  data.add("train", "a.png", 1, mask, {"x"});
  data.save();
  EXPECT_DOUBLE_EQ(build(data.root, "union")[0].action.x, (4 + 24) / 2.0 / 24);
  EXPECT_DOUBLE_EQ(build(data.root, "centroid")[0].action.x, (24 * 7 + 23.5) / 25 / 24);
  EXPECT_TRUE(test::throws_user_error([&] { build(data.root, "middle"); }, ErrorKind::usage, {"middle"}));
  RecordOptions options;
  options.min_area = 2;
  EXPECT_EQ(build_records(data.root, options)[0].components.size(), 1u);
  options.min_area = 100;
  const auto none = build_records(data.root, options);
  EXPECT_TRUE(none[0].components.empty());
  EXPECT_EQ(none[0].agreement, Agreement::agrees);  // the mask itself is not empty
}

TEST(Records, PairsWithoutAPointSayWhy) {
  SmallDataset data("records-point");
  data.add("train", "a.png", 0, rectangle(255), {"there is no difference"});
  data.add("train", "b.png", 1, rectangle(0), {"trees are felled"});
  data.add("train", "c.png", 1, Image(), {"a house"});
  data.add("train", "d.png", 1, rectangle(255), {});
  const auto records = build(data.save());
  ASSERT_EQ(records.size(), 3u);  // d has no caption
  const auto json = [&](std::size_t i) { return record_json(records[i], data.root); };
  EXPECT_EQ(json(0).at("flag_against_mask"), "contradicts");
  EXPECT_EQ(json(0).at("action"), OrderedJson::parse(R"({"x": null, "y": null, "a": 0})"));
  EXPECT_EQ(json(1).at("flag_against_mask"), "unmarked");
  EXPECT_EQ(json(1).at("action"), OrderedJson::parse(R"({"x": null, "y": null, "a": 1})"));
  EXPECT_FALSE(json(2).contains("components"));
  EXPECT_FALSE(json(2).contains("label"));
}

TEST(Records, SplitsAreDrawnWhereTheFolderNamesNone) {
  SmallDataset data("records-split");
  for (int i = 0; i < 20; ++i) data.add("", "scene" + std::to_string(i) + ".png", 1, rectangle(255), {"x"});
  const auto records = build(data.save());
  std::map<std::string, int> count;
  for (const auto& record : records) ++count[record.pair.split];
  EXPECT_EQ(count, (std::map<std::string, int>{{"test", 3}, {"train", 14}, {"val", 3}}));
  data.records[0]["split"] = "train";
  data.save();
  EXPECT_TRUE(test::throws_user_error([&] { build(data.root); }, ErrorKind::data, {"19 of 20 records name no split"}));
}

TEST(Records, TheSameSeedGivesTheSameFileAndAnotherSeedOtherInstructions) {
  SmallDataset data("records-seed");
  for (int i = 0; i < 12; ++i) data.add("train", std::to_string(i) + ".png", 1, rectangle(255));
  data.save();
  const auto file = [&](const char* name, std::uint64_t seed) {
    write_records(data.root / name, build(data.root, "largest", seed), data.root);
    return read_file(data.root / name, 1 << 20, ErrorKind::data);
  };
  const std::string first = file("a.jsonl", 1);
  EXPECT_EQ(first, file("b.jsonl", 1));
  EXPECT_NE(first, file("c.jsonl", 2));
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 24);
}

TEST(Records, OfTheResearchDataHaveAPointExactlyWhereFlagAndMaskSayChanged) {
  CP_SKIP_WITHOUT_DATA(root, "levir-mini");
  const auto records = build(root);
  EXPECT_EQ(records.size(), 3100u);
  std::set<std::string> with_point;
  for (const auto& record : records) {
    if (record.action.has_point) with_point.insert(record.pair.split + record.pair.name);
    EXPECT_EQ(record.action.has_point, record.pair.changeflag == 1 && !record.components.empty()) << record.pair.name;
    EXPECT_TRUE(record.action.x > 0 && record.action.x < 1 && record.action.y > 0 && record.action.y < 1);
  }
  EXPECT_EQ(with_point.size(), 380u - 23u);  // changed pairs without the unmarked ones
}

}  // namespace
}  // namespace cp
