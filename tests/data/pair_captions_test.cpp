#include "data/pair_captions.h"

#include <fstream>
#include <string>

#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

fs::path written(const std::string& text, const std::string& unchanged = "") {
  const fs::path folder = test::fresh_folder("pair-captions");
  std::ofstream(folder / "captions.jsonl") << text;
  if (!unchanged.empty()) std::ofstream(folder / "unchanged.txt") << unchanged;
  return folder / "captions.jsonl";
}

PairRecord record(const std::string& split, const std::string& name, int flag) {
  PairRecord r;
  r.split = split, r.name = name, r.changeflag = flag;
  return r;
}

TEST(PairCaptions, AreFoundBySplitAndName) {
  const PairCaptions captions = PairCaptions::read(
      written("{\"split\": \"train\", \"name\": \"a.png\", \"captions\": [\" 新建了房屋。 \", \"建了房屋。\"]}\n\n"
              "{\"split\": \"val\", \"name\": \"a.png\", \"captions\": [\"树木消失了。\"]}\n",
              "没有变化。\n场景相同。\n"));
  EXPECT_EQ(captions.size(), 2u);
  EXPECT_EQ(captions.of(record("train", "a.png", 1)), (std::vector<std::string>{"新建了房屋。", "建了房屋。"}));
  EXPECT_EQ(captions.of(record("val", "a.png", 1)), (std::vector<std::string>{"树木消失了。"}));
  EXPECT_TRUE(captions.of(record("test", "a.png", 1)).empty());
  EXPECT_EQ(captions.of(record("train", "b.png", 0)), (std::vector<std::string>{"没有变化。", "场景相同。"}));
  EXPECT_TRUE(PairCaptions().of(record("train", "b.png", 0)).empty());
}

TEST(PairCaptions, MistakesAreNamedWithTheirLine) {
  const std::string good = "{\"split\": \"train\", \"name\": \"a.png\", \"captions\": [\"建房。\"]}\n";
  const struct {
    std::string second_line;
    const char* said;
  } kCases[] = {
      {"{", "line 2"},
      {"[]", "split"},
      {"{\"split\": 1, \"name\": \"a\", \"captions\": [\"b\"]}", "split"},
      {"{\"split\": \"train\", \"captions\": [\"b\"]}", "name"},
      {"{\"split\": \"train\", \"name\": \"b\", \"captions\": []}", "captions"},
      {"{\"split\": \"train\", \"name\": \"b\", \"captions\": \"b\"}", "captions"},
      {"{\"split\": \"train\", \"name\": \"b\", \"captions\": [3]}", "texts"},
      {"{\"split\": \"train\", \"name\": \"b\", \"captions\": [\" . \"]}", "caption"},
      {"{\"split\": \"train\", \"name\": \"b\", \"captions\": [\"" + std::string(2001, 'x') + "\"]}", "2001"},
      {"{\"split\": \"train\", \"name\": \"b\", \"captions\": [\"\xff\"]}", "line 2"},
      {"{\"split\": \"train\", \"name\": \"a.png\", \"captions\": [\"b\"]}", "second time"},
      {std::string(100, '['), "line 2"},
  };
  for (const auto& c : kCases)
    EXPECT_TRUE(test::throws_user_error([&] { PairCaptions::read(written(good + c.second_line)); }, ErrorKind::data,
                                        {"captions.jsonl, line 2", c.said}))
        << c.second_line;
  EXPECT_TRUE(test::throws_user_error([&] { PairCaptions::read(written(good, "同。\n\xff\n")); }, ErrorKind::data,
                                      {"unchanged.txt, line 2"}));
  EXPECT_TRUE(test::throws_user_error([] { PairCaptions::read("/nowhere/captions.jsonl"); }, ErrorKind::data,
                                      {"/nowhere/captions.jsonl"}));
}

}  // namespace
}  // namespace cp
