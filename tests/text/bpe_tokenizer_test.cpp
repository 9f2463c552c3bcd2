// The tokenizer against the `tokenizers` library (tests/oracle/text_golden.py), and its own promises.
#include "text/bpe_tokenizer.h"

#include <cstdlib>
#include <ctime>
#include <iostream>

#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "support/test_support.h"
#include "text/unicode.h"

namespace cp {
namespace {

const std::string& golden_text() {
  static const std::string text = read_file(test::golden("text/tokenizer.json"), 1 << 20, ErrorKind::data);
  return text;
}

BpeTokenizer golden_tokenizer() { return BpeTokenizer::parse(golden_text(), "golden"); }

struct Score {
  int compared = 0, different = 0;
  std::string first;  // the first difference
  void add(bool equal, const Json& input) {
    ++compared;
    if (!equal && different++ == 0) first = input.dump();
  }
};

// Every case of a file laid out as strings.json.
Score compare(const BpeTokenizer& tokenizer, const Json& cases) {
  Score score;
  using Ids = std::vector<int>;
  for (std::size_t i = 0; i < cases["strings"].size(); ++i)
    score.add(tokenizer.encode(cases["strings"][i].get<std::string>()) == cases["ids"][i].get<Ids>(),
              cases["strings"][i]);
  for (std::size_t i = 0; i < cases["control"].size(); ++i)
    score.add(
        tokenizer.encode_with_control(cases["control"][i].get<std::string>()) == cases["control_ids"][i].get<Ids>(),
        cases["control"][i]);
  for (std::size_t i = 0; i < cases["decode"].size(); ++i) {
    const Ids ids = cases["decode"][i].get<Ids>();
    score.add(tokenizer.decode(ids, true) == cases["decoded"][i].get<std::string>(), cases["decode"][i]);
    score.add(tokenizer.decode(ids) == cases["decoded_plain"][i].get<std::string>(), cases["decode"][i]);
  }
  return score;
}

TEST(BpeTokenizer, EqualsTheTokenizersLibrary) {
  const Score score = compare(golden_tokenizer(), read_json(test::golden("text/strings.json"), ErrorKind::data));
  EXPECT_GE(score.compared, 2600);
  EXPECT_EQ(score.different, 0) << "first: " << score.first;
}

TEST(BpeTokenizer, AMergeOutOfItsTurnIsNoticed) {
  Json json = Json::parse(golden_text());
  Json merges = Json::array(
      {Json::array({"h", "e"}), Json::array({"t", "he"})});  // to the front: "the" is then made before " t" can be
  for (const Json& merge : json["model"]["merges"])
    if (merge != merges[0] && merge != merges[1]) merges.push_back(merge);
  ASSERT_EQ(merges.size(), json["model"]["merges"].size());
  json["model"]["merges"] = merges;
  const BpeTokenizer faulty = BpeTokenizer::parse(json.dump(), "faulty");
  EXPECT_GE(compare(faulty, read_json(test::golden("text/strings.json"), ErrorKind::data)).different, 5);
}

TEST(BpeTokenizer, EqualsTheLibraryOnALargeCorpus) {
  const char* corpus = std::getenv("CP_TEXT_CORPUS");
  if (corpus == nullptr) GTEST_SKIP() << "CP_TEXT_CORPUS names no corpus (tests/oracle/text_golden.py --many)";
  const Score score = compare(golden_tokenizer(), read_json(corpus, ErrorKind::data));
  EXPECT_GE(score.compared, 50'000);
  EXPECT_EQ(score.different, 0) << "first: " << score.first;
  std::cout << score.compared << " cases compared\n";
}

TEST(BpeTokenizer, DecodingUndoesEncodingOfNormalText) {
  const BpeTokenizer tokenizer = golden_tokenizer();
  const Json cases = read_json(test::golden("text/strings.json"), ErrorKind::data);
  int visited = 0;
  for (const Json& item : cases["strings"]) {
    const auto text = item.get<std::string>();
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), nfc(text)) << item.dump();
    ++visited;
  }
  EXPECT_GE(visited, 2000);
}

TEST(BpeTokenizer, ControlTokensInUserTextStayText) {
  const BpeTokenizer tokenizer = golden_tokenizer();
  Rng rng(1, Stream::test);
  const std::vector<std::string> control = {"<|endoftext|>",    "<|im_start|>",   "<|im_end|>",
                                            "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"};
  const std::vector<std::string> around = {"", " ", ".", "\n", "house", "<", "|>", "中", "'s", "7"};
  int visited = 0;
  for (const std::string& token : control) {
    const int id = tokenizer.control_id(token);
    EXPECT_TRUE(tokenizer.is_control(id));
    EXPECT_EQ(tokenizer.encode_with_control(token), std::vector<int>{id});
    for (int i = 0; i < 100; ++i, ++visited) {
      const std::string text = around[rng.below(around.size())] + token + around[rng.below(around.size())];
      for (const int found : tokenizer.encode(text)) EXPECT_FALSE(tokenizer.is_control(found)) << text;
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    }
  }
  EXPECT_EQ(visited, 600);
}

TEST(BpeTokenizer, ControlTokensAreLeftOutOfTextUnlessKept) {
  const BpeTokenizer tokenizer = golden_tokenizer();
  const std::vector<int> ids = tokenizer.encode_with_control("a house.<|im_end|>b");  // colibri#1653: after a full stop
  EXPECT_EQ(tokenizer.decode(ids), "a house.b");
  EXPECT_EQ(tokenizer.decode(ids, true), "a house.<|im_end|>b");
  EXPECT_FALSE(tokenizer.is_control(0));
  EXPECT_TRUE(
      test::throws_user_error([&] { tokenizer.control_id("<|nope|>"); }, ErrorKind::model, {"golden", "<|nope|>"}));
  EXPECT_THROW(tokenizer.decode({tokenizer.size()}), BugError);
  EXPECT_THROW(tokenizer.decode({-1}), BugError);
}

TEST(BpeTokenizer, TextThatIsNotUtf8IsRefused) {
  const BpeTokenizer tokenizer = golden_tokenizer();
  for (const char* bad : {"abc\xff", "\xc3", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc0\xaf"})
    EXPECT_TRUE(test::throws_user_error([&] { tokenizer.encode(bad); }, ErrorKind::data, {"not valid UTF-8 at byte"}));
}

// Long runs broke regular-expression engines and quadratic merge loops (llama.cpp#21113 and others).
TEST(BpeTokenizer, AMegabyteOfAnythingTakesLessThanASecond) {
  const BpeTokenizer tokenizer = golden_tokenizer();
  int visited = 0;
  for (const char* unit :
       {"a", "e", " ", "\n", "!", "1", " \n", "\xcc\x81\xcc\x96", "'s", "house", "\xe4\xb8\xad", "<|im_end|>"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    const std::clock_t start = std::clock();  // processor time: other work on the machine does not count
    const std::vector<int> ids = tokenizer.encode(text);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    EXPECT_FALSE(ids.empty());
    EXPECT_LT(seconds, 1.0) << Json(unit).dump();
    ++visited;
  }
  EXPECT_EQ(visited, 12);
}

}  // namespace
}  // namespace cp
