#include "data/levir.h"

#include <set>

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

Json sentence(const std::string& raw) { return Json{{"raw", raw}}; }

Json record(const std::string& name, const std::string& split, int flag, const std::vector<std::string>& captions) {
  Json sentences = Json::array();
  for (const std::string& caption : captions) sentences.push_back(sentence(caption));
  return Json{
      {"filename", name}, {"filepath", split}, {"split", split}, {"changeflag", flag}, {"sentences", sentences}};
}

LevirIndex parse(const std::vector<Json>& records) {
  return parse_levir(Json{{"images", records}}.dump(), "captions.json", "root");
}

::testing::AssertionResult refuses(const std::vector<Json>& records, std::initializer_list<const char*> parts) {
  return test::throws_user_error([&] { parse(records); }, ErrorKind::data, parts);
}

TEST(Levir, ReadsRecordsInTheirOrder) {
  const auto index = parse({record("b.png", "val", 1, {" a house is built ."}), record("a.png", "train", 0, {"x"})});
  ASSERT_EQ(index.pairs.size(), 2u);
  const PairRecord& pair = index.pairs[0];
  EXPECT_EQ(pair.name, "b.png");
  EXPECT_EQ(pair.split, "val");
  EXPECT_EQ(pair.changeflag, 1);
  EXPECT_EQ(pair.captions, std::vector<std::string>{"a house is built"});
  EXPECT_EQ(pair.before, fs::path("root/images/val/A/b.png"));
  EXPECT_EQ(pair.after, fs::path("root/images/val/B/b.png"));
  EXPECT_TRUE(pair.label.empty());
  ASSERT_EQ(pairs_of_split(index, "train").size(), 1u);
  EXPECT_EQ(pairs_of_split(index, "train")[0].name, "a.png");
  EXPECT_TRUE(pairs_of_split(index, "test").empty());
}

TEST(Levir, OneRecordAndGapsInNumbersAreFine) {
  EXPECT_EQ(parse({record("train_000008.png", "train", 0, {"x"})}).pairs.size(), 1u);
  EXPECT_EQ(parse({record("train_000008.png", "train", 0, {"x"}), record("train_000010.png", "train", 0, {"x"})})
                .pairs.size(),
            2u);
}

TEST(Levir, OlderDownloadsGetTheFlagFromTheFiveSentences) {
  Json unchanged = record("a.png", "train", 0, {" no change has occurred .", " there is no difference ."});
  Json changed = record("b.png", "train", 0, {" no change has occurred .", " a villa appears ."});
  unchanged.erase("changeflag");
  changed.erase("changeflag");
  const auto index = parse({unchanged, changed});
  EXPECT_EQ(index.pairs[0].changeflag, 0);
  EXPECT_EQ(index.pairs[1].changeflag, 1);
  Json silent = record("c.png", "train", 0, {"  . "});
  silent.erase("changeflag");
  EXPECT_TRUE(refuses({silent}, {"record 0 (c.png)", "changeflag", "no caption"}));
}

TEST(Levir, ChatStyleFilesAreNamedAsSuch) {
  const Json talk = {{"id", "1"}, {"conversations", Json::array()}, {"filename", "a.png"}, {"split", "train"}};
  EXPECT_TRUE(refuses({talk}, {"captions.json: record 0 (a.png)", "conversations", "chat-style", "sentences"}));
  EXPECT_TRUE(test::throws_user_error([&] { parse_levir(Json::array({talk}).dump(), "chat.json", ""); },
                                      ErrorKind::data, {"chat.json", "conversations", "chat-style"}));
}

TEST(Levir, WrongFilesAreRefusedByFieldAndRecord) {
  const Json good = record("a.png", "train", 0, {"x"});
  EXPECT_TRUE(refuses({}, {"no record"}));
  EXPECT_TRUE(refuses({good, good}, {"record 1", "a.png", "stands twice"}));
  Json bad = good;
  bad["changeflag"] = 2;
  EXPECT_TRUE(refuses({bad}, {"a.png", "changeflag", "0 to 1", "2"}));
  bad = good;
  bad["sentences"] = Json::array({"plain"});
  EXPECT_TRUE(refuses({bad}, {"sentences", "raw"}));
  bad = good;
  bad["split"] = "valid";
  EXPECT_TRUE(refuses({bad}, {"train, val or test", "valid"}));
  bad = good;
  bad.erase("filename");
  EXPECT_TRUE(refuses({bad}, {"record 0", "\"filename\" is missing"}));
  EXPECT_TRUE(test::throws_user_error([] { parse_levir("{\"a\": 1}", "f.json", ""); }, ErrorKind::data, {"images"}));
  EXPECT_TRUE(test::throws_user_error([] { parse_levir("", "f.json", ""); }, ErrorKind::data, {"f.json", "JSON"}));
}

TEST(Levir, NamesCannotLeadOutOfTheFolder) {
  int seen = 0;
  for (const char* name : {"../a.png", "/etc/passwd", "..", ".", "", "x/../../y.png", "a\\b.png"}) {
    EXPECT_TRUE(refuses({record(name, "train", 0, {"x"})}, {"filename", "plain name"})) << name;
    ++seen;
  }
  EXPECT_EQ(seen, 7);
  Json bad = record("a.png", "train", 0, {"x"});
  bad["filepath"] = "../train";
  EXPECT_TRUE(refuses({bad}, {"filepath", "plain name"}));
}

TEST(Levir, WithoutASplitTheImagesStandInOneFolder) {
  Json plain = record("a.png", "", 0, {"x"});
  plain.erase("split");
  plain.erase("filepath");
  const auto index = parse({plain});
  EXPECT_EQ(index.pairs[0].split, "");
  EXPECT_EQ(index.pairs[0].before, fs::path("root/images/A/a.png"));
}

TEST(Levir, FindsTheCaptionFile) {
  const fs::path root = test::fresh_folder("levir-find");
  const auto read = [&] { return read_levir(root); };
  EXPECT_TRUE(test::throws_user_error(read, ErrorKind::data, {"no caption file"}));
  EXPECT_TRUE(
      test::throws_user_error([&] { read_levir(root / "absent"); }, ErrorKind::data, {"absent", "cannot open"}));
  const std::string text = Json{{"images", Json::array({record("a.png", "train", 0, {"x"})})}}.dump();
  write_file_durable(root / "mine.json", text);
  EXPECT_EQ(read().pairs.size(), 1u);
  write_file_durable(root / "other.json", "{\"license\": 1}");
  EXPECT_EQ(read().pairs.size(), 1u);
  write_file_durable(root / "third.json", text);
  EXPECT_TRUE(test::throws_user_error(read, ErrorKind::data, {"one *.json", "found 2 among 3"}));
  write_file_durable(root / "LevirCCcaptions.json", text);
  EXPECT_EQ(read().pairs.size(), 1u);
}

TEST(Levir, LabelIsSetOnlyWhereTheFileExists) {
  const fs::path root = test::fresh_folder("levir-label");
  write_file_durable(root / "images/train/label/a.png", "x");
  const std::vector<Json> records = {record("a.png", "train", 0, {"x"}), record("b.png", "train", 0, {"x"})};
  write_file_durable(root / "c.json", Json{{"images", records}}.dump());
  const auto index = read_levir(root);
  EXPECT_EQ(index.pairs[0].label, root / "images/train/label/a.png");
  EXPECT_TRUE(index.pairs[1].label.empty());
  const auto captions = read_levir_captions(root / "c.json");
  EXPECT_TRUE(captions.pairs[0].before.empty());
  EXPECT_TRUE(captions.pairs[0].label.empty());
}

TEST(Caption, IsNormalised) {
  EXPECT_EQ(normalize_caption(" there is no difference ."), "there is no difference");
  EXPECT_EQ(normalize_caption("a\t road \r\n  appears."), "a road appears.");
  EXPECT_EQ(normalize_caption(" . "), "");
  EXPECT_EQ(normalize_caption(""), "");
  EXPECT_EQ(normalize_caption("\xE6\x96\xB0\xE5\xA2\x9E ."), "\xE6\x96\xB0\xE5\xA2\x9E");
  EXPECT_EQ(parse({record("a.png", "train", 1, {"x", " .", ""})}).pairs[0].empty_captions, 2);
}

TEST(Caption, NoChangeSentencesAreKnown) {
  EXPECT_TRUE(is_no_change_sentence(" almost nothing has changed ."));
  EXPECT_TRUE(is_no_change_sentence("The two scenes seem identical."));
  EXPECT_FALSE(is_no_change_sentence("almost nothing has changed but a house"));
  EXPECT_FALSE(is_no_change_sentence(""));
}

TEST(SceneGroup, HoldsTheSixteenTilesOfAScene) {
  EXPECT_EQ(scene_group("test_000001.png"), "test/1");
  EXPECT_EQ(scene_group("test_000016.png"), "test/1");
  EXPECT_EQ(scene_group("test_000017.png"), "test/2");
  EXPECT_EQ(scene_group("train_007590.png"), "train/475");
  EXPECT_EQ(scene_group("house_000017.png"), "house_000017");
  EXPECT_EQ(scene_group("test_17.png"), "test_17");
  EXPECT_EQ(scene_group("test_000000.png"), "test_000000");
}

TEST(Levir, ReadsTheResearchData) {
  CP_SKIP_WITHOUT_DATA(root, "levir-mini");
  const auto index = read_levir(root);
  EXPECT_EQ(pairs_of_split(index, "train").size(), 527u);
  EXPECT_EQ(pairs_of_split(index, "val").size(), 93u);
  std::set<std::string> train, both;
  for (const auto& pair : pairs_of_split(index, "train")) train.insert(scene_group(pair.name));
  for (const auto& pair : pairs_of_split(index, "val"))
    if (train.contains(scene_group(pair.name))) both.insert(scene_group(pair.name));
  EXPECT_TRUE(both.empty());
  for (const auto& pair : index.pairs) EXPECT_EQ(pair.captions.size(), 5u) << pair.name;
}

TEST(Levir, TheFlagOfTheResearchCaptionsFollowsFromTheFiveSentences) {
  CP_SKIP_WITHOUT_DATA(root, "levir-cc-captions");
  const auto index = read_levir_captions(root / "LevirCCcaptions.json");
  EXPECT_EQ(index.pairs.size(), 8148u);
  int contradicting = 0;
  for (const auto& pair : index.pairs)
    contradicting += pair.changeflag == (is_no_change_sentence(pair.captions.front()) ? 1 : 0);
  EXPECT_EQ(contradicting, 0);
}

}  // namespace
}  // namespace cp
