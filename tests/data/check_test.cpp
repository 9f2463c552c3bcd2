#include "data/check.h"

#include <gtest/gtest.h>

#include "core/progress.h"
#include "data/small_dataset.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::rectangle;
using test::SmallDataset;

const std::vector<std::string> kNothing = {"there is no difference", "no change has occurred"};

bool holds(const std::vector<Finding>& findings, const std::string& where, const std::string& what) {
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) {
    return f.where.find(where) != std::string::npos && f.what.find(what) != std::string::npos;
  });
}

// Two changed pairs and an unchanged one; nothing wrong with them.
SmallDataset clean(const std::string& name) {
  Progress::set_quiet(true);
  SmallDataset data(name);
  data.add("train", "train_000001.png", 1, rectangle(255));
  data.add("train", "train_000003.png", 0, rectangle(0), kNothing);
  data.add("val", "val_000001.png", 1, rectangle(255));
  return data;
}

TEST(Check, ACleanFolderWithGapsInItsNumbersHasNoFinding) {
  const DatasetReport report = check_dataset(clean("check-clean").save());
  EXPECT_TRUE(report.usable());
  EXPECT_TRUE(report.errors.empty() && report.warnings.empty() && report.contradictory.empty() &&
              report.unmarked.empty())
      << report_text(report);
  EXPECT_EQ(report.files_read, 9);
  EXPECT_EQ(report.splits.at("train").pairs, 2);
  EXPECT_EQ(report.splits.at("train").changed, 1);
  EXPECT_EQ(report.splits.at("train").scenes, 1);
  EXPECT_EQ(report.splits.at("train").captions, 4);
  EXPECT_EQ(report.splits.at("val").labels, 1);
  EXPECT_EQ(report.sizes, (std::map<std::string, int>{{"24x16", 6}}));
  EXPECT_EQ(report.mask_values, (std::map<int, int>{{0, 3}, {255, 2}}));
  EXPECT_EQ(report.convention, MaskConvention::levir_cd);
}

TEST(Check, MissingUnreadableAndUnequalFilesAreErrors) {
  SmallDataset data = clean("check-broken");
  const fs::path images = data.save() / "images";
  fs::remove(images / "train/A/train_000001.png");
  const std::string whole = read_file(images / "train/B/train_000003.png", 1 << 20, ErrorKind::data);
  write_file_durable(images / "train/B/train_000003.png", whole.substr(0, whole.size() / 2));
  write_png(images / "val/B/val_000001.png", test::picture(9, 20, 16));
  write_png(images / "val/label/val_000001.png", rectangle(255, 0, 0, 2, 2, 12, 8));
  const DatasetReport report = check_dataset(data.root);
  EXPECT_FALSE(report.usable());
  EXPECT_EQ(report.errors.size(), 4u) << report_text(report);
  EXPECT_TRUE(holds(report.errors, "train/A/train_000001.png", "is missing"));
  EXPECT_TRUE(holds(report.errors, "train/B/train_000003.png", ""));
  EXPECT_TRUE(holds(report.errors, "val/B/val_000001.png", "20x16"));
  EXPECT_TRUE(holds(report.errors, "val/label/val_000001.png", "12x8"));
  EXPECT_EQ(report.files_read, 7);
}

TEST(Check, FindsFlagAgainstMaskAndSaysWhatTrainingDoes) {
  SmallDataset data = clean("check-flag");
  data.add("train", "train_000005.png", 0, rectangle(255), kNothing);
  data.add("train", "train_000006.png", 1, rectangle(0), {"trees are felled", "trees are gone"});
  const DatasetReport report = check_dataset(data.save());
  ASSERT_EQ(report.contradictory.size(), 1u);
  EXPECT_EQ(report.contradictory[0].where, "train/train_000005.png");
  EXPECT_NE(report.contradictory[0].what.find("24 px"), std::string::npos);
  EXPECT_EQ(report.unmarked, std::vector<std::string>{"train/train_000006.png"});
  EXPECT_TRUE(report.usable());
  EXPECT_NE(report_text(report).find("use their captions and flag; their mask and action target are not used"),
            std::string::npos);
  EXPECT_EQ(report_json(report).at("contradictory").size(), 1u);
}

TEST(Check, MaskConventionsAreTold) {
  EXPECT_EQ(mask_convention({}), MaskConvention::none);
  EXPECT_EQ(mask_convention({0}), MaskConvention::empty);
  EXPECT_EQ(mask_convention({0, 1}), MaskConvention::zero_one);
  EXPECT_EQ(mask_convention({0, 255}), MaskConvention::levir_cd);
  EXPECT_EQ(mask_convention({0, 128, 255}), MaskConvention::levir_mci);
  EXPECT_EQ(mask_convention({0, 128}), MaskConvention::levir_mci);
  EXPECT_EQ(mask_convention({0, 1, 255}), MaskConvention::other);
  EXPECT_EQ(mask_convention({0, 77}), MaskConvention::other);
}

TEST(Check, ZeroOneMasksAreNotTakenForEmptyOnes) {
  SmallDataset data("check-zero-one");
  data.add("train", "a.png", 1, rectangle(1));
  data.add("train", "b.png", 0, rectangle(1), kNothing);
  const DatasetReport report = check_dataset(data.save());
  EXPECT_EQ(report.convention, MaskConvention::zero_one);
  EXPECT_TRUE(report.unmarked.empty());
  EXPECT_EQ(report.contradictory.size(), 1u);
  EXPECT_NE(report_text(report).find("looks black in a viewer, but is not empty"), std::string::npos);
}

TEST(Check, OddMaskValuesAreWarnedOf) {
  SmallDataset data = clean("check-values");
  data.add("val", "val_000002.png", 1, rectangle(77));
  DatasetReport report = check_dataset(data.save());
  EXPECT_EQ(report.convention, MaskConvention::other);
  EXPECT_TRUE(holds(report.warnings, "val/label/val_000002.png", "mask values 77"));
  SmallDataset mixed = clean("check-mixed");
  mixed.add("val", "val_000002.png", 1, rectangle(1));
  report = check_dataset(mixed.save());
  EXPECT_TRUE(holds(report.warnings, "label images", "one convention and some another"));
}

TEST(Check, EqualPixelsInTwoSplitsAreFoundWhateverTheBytes) {
  SmallDataset data = clean("check-duplicates");
  data.save();
  // The same picture as the pair's PNG, as another PNG file: a text chunk more.
  std::string png = read_file(data.root / "images/train/A/train_000001.png", 1 << 20, ErrorKind::data);
  png.insert(33, std::string("\0\0\0\5tEXtk\0abc", 13) + std::string("\x8e\x35\x7c\x75", 4));
  const fs::path copy = data.root / "images/val/B/val_000001.png";
  write_file_durable(copy, png);
  const DatasetReport report = check_dataset(data.root);
  EXPECT_TRUE(report.usable()) << report_text(report);
  ASSERT_EQ(report.warnings.size(), 1u) << report_text(report);
  EXPECT_TRUE(holds(report.warnings, "train/A/train_000001.png", "same pixels as val/B/val_000001.png"));
  // The twin: one changed pixel is no duplicate.
  Image other = test::picture(1);
  other.pixels[0] ^= 1;
  write_png(copy, other);
  EXPECT_TRUE(check_dataset(data.root).warnings.empty());
}

TEST(Check, OneSceneInTwoSplitsIsWarnedOf) {
  SmallDataset data = clean("check-scenes");
  data.add("val", "train_000016.png", 1, rectangle(255));
  const DatasetReport report = check_dataset(data.save());
  EXPECT_TRUE(holds(report.warnings, "train/train_000001.png", "same scene as val/train_000016.png"));
}

TEST(Check, CaptionsThatAreEmptyFewOrNotUtf8AreFound) {
  SmallDataset data = clean("check-captions");
  data.add("train", "train_000007.png", 1, rectangle(255), {"a road", ""});
  data.add("train", "train_000008.png", 1, rectangle(255), {});
  DatasetReport report = check_dataset(data.save());
  EXPECT_TRUE(holds(report.warnings, "train_000007.png", "1 empty caption"));
  EXPECT_TRUE(holds(report.warnings, "train_000007.png", "1 captions, most pairs have 2"));
  EXPECT_TRUE(holds(report.warnings, "train_000008.png", "has no caption"));
  EXPECT_TRUE(report.usable());

  std::string text = read_file(data.root / "LevirCCcaptions.json", 1 << 20, ErrorKind::data);
  const std::size_t at = text.find("a road");
  text[at] = '\xE9';  // Latin-1
  write_file_durable(data.root / "LevirCCcaptions.json", text);
  report = check_dataset(data.root);
  EXPECT_FALSE(report.usable());
  EXPECT_TRUE(holds(report.errors, "LevirCCcaptions.json", "not UTF-8 at byte " + std::to_string(at)));
  EXPECT_TRUE(holds(report.errors, "train_000007.png", "is not UTF-8"));
  EXPECT_EQ(report.files_read, 15);
  EXPECT_NO_THROW(report_json(report).dump());
}

TEST(Check, SuspiciousFlagsAndFilesAreWarnedOf) {
  SmallDataset data = clean("check-odd");
  data.add("val", "val_000002.png", 1, rectangle(255), {"no change has occurred", "a house"});
  data.add("val", "VAL_000002.png", 1, Image());
  data.save();
  fs::copy_file(data.root / "images/val/A/val_000002.png", data.root / "images/val/B/val_000002.png",
                fs::copy_options::overwrite_existing);
  write_file_durable(data.root / "images/val/A/Thumbs.db", "x");
  const DatasetReport report = check_dataset(data.root);
  EXPECT_TRUE(holds(report.warnings, "val/val_000002.png", "a caption says that nothing"));
  EXPECT_TRUE(holds(report.warnings, "val/val_000002.png", "same pixels"));
  EXPECT_TRUE(holds(report.warnings, "val/VAL_000002.png", "no label image"));
  EXPECT_TRUE(holds(report.warnings, "val/VAL_000002.png", "in case only"));
  EXPECT_TRUE(holds(report.warnings, "val/A/Thumbs.db", "no record"));
  EXPECT_EQ(report.warnings.size(), 5u) << report_text(report);
}

TEST(Check, LongListsAreCutInTextOnly) {
  SmallDataset data("check-long");
  for (int i = 0; i < 30; ++i)
    data.records.push_back({{"filename", std::to_string(i) + ".png"},
                            {"split", "train"},
                            {"changeflag", 0},
                            {"sentences", Json::array()}});
  const DatasetReport report = check_dataset(data.save());
  EXPECT_EQ(report_json(report).at("errors").size(), 60u);
  EXPECT_NE(report_text(report, 20).find("... and 40 more"), std::string::npos);
}

TEST(Check, FindsTheEightContradictoryTrainPairsOfTheResearchData) {
  CP_SKIP_WITHOUT_DATA(root, "levir-mini");
  Progress::set_quiet(true);
  const DatasetReport report = check_dataset(root);
  EXPECT_TRUE(report.usable());
  EXPECT_EQ(report.files_read, 1860);
  EXPECT_EQ(report.convention, MaskConvention::levir_cd);
  std::vector<std::string> train;
  for (const Finding& finding : report.contradictory)
    if (finding.where.starts_with("train/")) train.push_back(finding.where.substr(6));
  EXPECT_EQ(train,
            (std::vector<std::string>{"test_000033.png", "test_000202.png", "test_000369.png", "test_000381.png",
                                      "test_000511.png", "test_000587.png", "test_000612.png", "test_000768.png"}));
  EXPECT_EQ(report.contradictory.size(), 11u);
  EXPECT_EQ(report.unmarked.size(), 23u);
}

}  // namespace
}  // namespace cp
