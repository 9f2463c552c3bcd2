#include "data/caption_files.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

fs::path file_of(const std::string& text, const std::string& name = "file.json") {
  const fs::path file = test::fresh_folder("caption-files") / name;
  write_file_durable(file, text);
  return file;
}

constexpr const char* kLevir =
    R"({"images": [{"filename": "a.png", "split": "test", "changeflag": 1, "sentences": [{"raw": " a road . "}, {"raw": "roads"}]},
                   {"filename": "b.png", "split": "val", "changeflag": 0, "sentences": [{"raw": "no change"}]}]})";
constexpr const char* kCoco =
    R"({"images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
        "annotations": [{"image_id": 8, "caption": "no change"}, {"image_id": 7, "caption": "a road"},
                        {"image_id": 7, "caption": "roads"}]})";
constexpr const char* kLines =
    "{\"name\": \"a.png\", \"references\": [\"a road\", \"roads\"], \"changeflag\": 1}\n"
    "{\"name\": \"b.png\", \"references\": [\"no change\"]}\n";

TEST(CaptionFiles, ReadReferencesOfThreeKinds) {
  int visited = 0;
  for (const char* text : {kLevir, kCoco, kLines}) {
    const auto references = read_references(file_of(text));
    ASSERT_EQ(references.size(), 2u) << text;
    EXPECT_EQ(references[0].name, "a.png");
    EXPECT_EQ(references[0].captions, (std::vector<std::string>{"a road", "roads"}));
    EXPECT_EQ(references[1].captions, std::vector<std::string>{"no change"});
    EXPECT_EQ(references[0].changeflag, text == kCoco ? -1 : 1);
    ++visited;
  }
  EXPECT_EQ(visited, 3);
  EXPECT_EQ(read_references(file_of(kLevir), "val").at(0).name, "b.png");
  EXPECT_EQ(read_references(file_of("{\"name\": \"a\", \"references\": [\"x\"]}")).size(), 1u);
}

TEST(CaptionFiles, ReadPredictionsOfFiveKinds) {
  const std::vector<std::pair<std::string, std::string>> kinds{
      {"x.jsonl",
       "{\"name\": \"b.png\", \"caption\": \"no change\"}\n{\"filename\": \"a.png\", \"caption\": \"a road, new\"}\n"},
      {"x.json", R"([{"image_id": 8, "caption": "no change"}, {"image_id": 7, "caption": "a road, new"}])"},
      {"y.json", "{\"b\": \"no change\",\n \"a\": \"a road, new\"}"},
      {"z.json", R"({"b": "no change", "a": "a road, new"})"},
      {"x.csv", "\xEF\xBB\xBFname,caption\r\nimages/b.png,no change\r\na.png,\"a road, new\"\r\n"},
      {"x.txt", "a road, new\r\nno change\n"}};
  const auto references = read_references(file_of(kCoco));
  for (const auto& [name, text] : kinds)
    EXPECT_EQ(captions_of(references, read_predictions(file_of(text, name)), name),
              (std::vector<std::string>{"a road, new", "no change"}))
        << name;
}

TEST(CaptionFiles, KeepEmptyCaptions) {
  const auto references = read_references(file_of(kLines));
  EXPECT_EQ(captions_of(references, read_predictions(file_of("a road\n\n", "x.txt")), "x").back(), "");
  EXPECT_EQ(captions_of(references, read_predictions(file_of("a,\nb,\n", "x.csv")), "x").front(), "");
}

TEST(CaptionFiles, NameWhatIsUnknownDoubledOrMissing) {
  const auto references = read_references(file_of(kLines));
  const auto refused = [&](const std::string& csv, std::initializer_list<const char*> parts) {
    return test::throws_user_error([&] { captions_of(references, read_predictions(file_of(csv, "x.csv")), "x.csv"); },
                                   ErrorKind::data, parts);
  };
  EXPECT_TRUE(refused("a,x\nb,y\nc,z\n", {"\"c\"", "no reference", "--split"}));
  EXPECT_TRUE(refused("a,x\na.png,y\nb,z\n", {"\"a.png\"", "two captions"}));
  EXPECT_TRUE(refused("b,x\n", {"no caption for \"a.png\"."}));
  EXPECT_TRUE(refused("", {"\"a.png\" and 1 other"}));
  EXPECT_TRUE(refused("a,x,y\n", {"line 1", "quotes"}));
  EXPECT_TRUE(
      test::throws_user_error([&] { captions_of(references, read_predictions(file_of("one\n", "x.txt")), "x.txt"); },
                              ErrorKind::data, {"1 lines for 2"}));
  const auto twice = read_references(file_of(std::string(kLines) + "{\"name\": \"a.jpg\", \"references\": [\"x\"]}\n"));
  EXPECT_TRUE(test::throws_user_error(
      [&] {
        captions_of(twice, {{"a", "x"}}, "x");
      },
      ErrorKind::data, {"two pictures"}));
}

TEST(CaptionFiles, RefuseWhatTheyCannotRead) {
  const auto bad_references = [](const std::string& text, std::initializer_list<const char*> parts) {
    return test::throws_user_error([&] { read_references(file_of(text)); }, ErrorKind::data, parts);
  };
  EXPECT_TRUE(bad_references("{\"name\": \"a\", \"references\": []}", {"\"a\"", "no reference caption"}));
  EXPECT_TRUE(bad_references("{\"name\": \"a\", \"references\": [1]}", {"list of captions"}));
  EXPECT_TRUE(bad_references(R"({"images": [{"id": 1}], "annotations": [{"image_id": 2, "caption": "x"}]})", {"id 2"}));
  EXPECT_TRUE(bad_references(R"({"images": 3, "annotations": []})", {"images", "list"}));
  EXPECT_TRUE(bad_references("", {"file.json"}));
  EXPECT_TRUE(
      test::throws_user_error([] { read_references(file_of(kLevir), "train"); }, ErrorKind::data, {"\"train\""}));
  const auto bad_predictions = [](const std::string& text, std::initializer_list<const char*> parts) {
    return test::throws_user_error([&] { read_predictions(file_of(text)); }, ErrorKind::data, parts);
  };
  EXPECT_TRUE(bad_predictions("[{\"caption\": \"x\"}]", {"entry 0", "image_id"}));
  EXPECT_TRUE(bad_predictions("{\"name\": \"a\", \"caption\": 5}\n{}\n", {"line 1", "caption"}));
  EXPECT_TRUE(bad_predictions("a \xff road\n", {"UTF-8"}));
  EXPECT_TRUE(bad_predictions(std::string(5000, 'x'), {"5000 bytes"}));
}

}  // namespace
}  // namespace cp
