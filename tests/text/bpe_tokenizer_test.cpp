// The tokenizer against the `tokenizers` library (tests/oracle/text_golden.py), and its own promises.
#include "text/bpe_tokenizer.h"

#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <sstream>

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

const std::vector<const char*> kMegabytes = {"a", " ", "1", "\n"};

// Long runs broke regular-expression engines and quadratic merge loops (llama.cpp#21113 and others). Processor time:
// other work on the machine does not count.
std::vector<std::pair<std::string, double>> seconds_a_megabyte(const BpeTokenizer& tokenizer,
                                                               const std::vector<const char*>& units) {
  std::vector<std::pair<std::string, double>> result;
  for (const char* unit : units) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    const std::clock_t start = std::clock();
    EXPECT_FALSE(tokenizer.encode(text).empty());
    result.emplace_back(unit, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return result;
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

const Json& golden_kinds() {
  static const Json kinds = read_json(test::golden("text/kinds.json"), ErrorKind::data);
  return kinds;
}

BpeTokenizer of_kind(
    const char* kind, const std::function<void(Json&)>& meddle = [](Json&) {}) {
  Json json = golden_kinds()[kind]["tokenizer"];
  meddle(json);
  return BpeTokenizer::parse(json.dump(), kind);
}

TEST(BpeTokenizer, EqualsTheLibraryForEveryKind) {
  for (const char* kind : {"qwen2", "llama3", "gpt2", "digits_gpt2"}) {
    const Score score = compare(of_kind(kind), golden_kinds()[kind]);
    EXPECT_GE(score.compared, 500) << kind;
    EXPECT_EQ(score.different, 0) << kind << ", first: " << score.first;
  }
  EXPECT_EQ(golden_kinds().size(), 4u);
}

TEST(BpeTokenizer, AnotherKindIsNoticed) {
  const Json& kinds = golden_kinds();
  const auto taken = [&](const char* from, const char* field) {
    return [&kinds, from, field](Json& json) { json[field] = kinds[from]["tokenizer"][field]; };
  };
  EXPECT_GE(compare(of_kind("gpt2", taken("digits_gpt2", "pre_tokenizer")), kinds["gpt2"]).different, 5);
  EXPECT_GE(compare(of_kind("digits_gpt2", taken("gpt2", "pre_tokenizer")), kinds["digits_gpt2"]).different, 5);
  EXPECT_GE(compare(of_kind("gpt2", taken("llama3", "pre_tokenizer")), kinds["gpt2"]).different, 5);
  const auto use_merges = [](Json& json) { json["model"]["ignore_merges"] = false; };
  EXPECT_GE(compare(of_kind("qwen2", taken("llama3", "pre_tokenizer")), kinds["qwen2"]).different, 5);
  EXPECT_GE(compare(of_kind("llama3", use_merges), kinds["llama3"]).different, 5);
  const auto compose = [](Json& json) { json["normalizer"] = {{"type", "NFC"}}; };
  EXPECT_GE(compare(of_kind("gpt2", compose), kinds["gpt2"]).different, 5);
}

// Texts of borders.json whose ids differ from the library's.
int different_borders(const BpeTokenizer& tokenizer, const char* kind) {
  static const Json golden = read_json(test::golden("text/borders.json"), ErrorKind::data);
  int different = 0;
  EXPECT_EQ(golden["texts"].size(), 212u);
  for (std::size_t i = 0; i < golden["texts"].size(); ++i)
    different += tokenizer.encode_with_control(golden["texts"][i].get<std::string>()) !=
                 golden["ids"][kind][i].get<std::vector<int>>();
  return different;
}

TEST(BpeTokenizer, ControlTokensBehindSignsAndRunsOfBlanksAreSplitAsTheLibraryDoes) {
  for (const char* kind : {"qwen2", "llama3", "gpt2", "digits_gpt2"})
    EXPECT_EQ(different_borders(of_kind(kind), kind), 0) << kind;
}

TEST(BpeTokenizer, AnotherSplitOfBlanksOrAMissingControlTokenIsNoticed) {
  const auto gpt2_split = [](Json& json) {
    json["pre_tokenizer"] = golden_kinds()["gpt2"]["tokenizer"]["pre_tokenizer"];
  };
  EXPECT_GE(different_borders(of_kind("qwen2", gpt2_split), "qwen2"), 3);
  const auto no_end = [](Json& json) {
    for (Json& token : json["added_tokens"])
      if (token["content"] == "<|im_end|>") token["content"] = "<|end|>";
  };
  EXPECT_GE(different_borders(of_kind("qwen2", no_end), "qwen2"), 60);
}

// One or more files of text_golden.py --many, joined by ':'.
TEST(BpeTokenizer, EqualsTheLibraryOnALargeCorpus) {
  const char* corpora = std::getenv("CP_TEXT_CORPUS");
  if (corpora == nullptr) GTEST_SKIP() << "CP_TEXT_CORPUS names no corpus (tests/oracle/text_golden.py --many)";
  std::istringstream list(corpora);
  for (std::string corpus; std::getline(list, corpus, ':');) {
    const Json cases = read_json(corpus, ErrorKind::data);
    const BpeTokenizer tokenizer = BpeTokenizer::load(cases["tokenizer"].get<std::string>());
    const Score score = compare(tokenizer, cases);
    EXPECT_GE(score.compared, 50'000);
    EXPECT_EQ(score.different, 0) << corpus << ", first: " << score.first;
    std::cout << corpus << ": " << score.compared << " cases compared, vocabulary of " << tokenizer.size() << "\n";
    for (const auto& [unit, seconds] : seconds_a_megabyte(tokenizer, kMegabytes)) {
      EXPECT_LT(seconds, 1.0) << Json(unit).dump();
      std::cout << "  1 MB of " << Json(unit).dump() << ": " << seconds << " s\n";
    }
  }
}

// Bytes without a token vanish, as in the library; the bytes of common text must all be there.
TEST(BpeTokenizer, BytesWithoutATokenVanish) {
  const BpeTokenizer tokenizer = of_kind("digits_gpt2");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\x04 house\U00050000")), "a house\ufffd\ufffd\ufffd");  // F1 90 80 80
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("Grüße, 道路 👍 1")), "Grüße, 道路 👍 1");
}

TEST(BpeTokenizer, OnlySpecialAddedTokensAreLeftOutOfText) {
  const BpeTokenizer tokenizer = of_kind("gpt2", [](Json& json) { json["added_tokens"][0]["special"] = false; });
  EXPECT_EQ(tokenizer.decode(tokenizer.encode_with_control("<|endoftext|>a<|im_end|>")), "<|endoftext|>a");
  EXPECT_TRUE(tokenizer.is_control(tokenizer.control_id("<|endoftext|>")));
}

TEST(BpeTokenizer, AWholePieceIsNoControlToken) {
  const auto meddle =
      [](Json& json) {  // ignore_merges would find " house" as a whole; as an added token it must not be
        Json added = json["added_tokens"][0];
        added["content"] = "zqz";
        added["id"] = json["model"]["vocab"]["zqz"];
        json["added_tokens"].push_back(added);
      };
  const BpeTokenizer tokenizer = of_kind("llama3", meddle);
  EXPECT_EQ(of_kind("llama3").encode("zqz").size(), 1u);
  EXPECT_EQ(tokenizer.encode("zqz").size(), 3u);
  EXPECT_EQ(tokenizer.encode_with_control("zqz"), std::vector<int>{tokenizer.control_id("zqz")});
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

// colibri#1653 among the surroundings: right after punctuation, runs of blanks, indented lines.
void expect_no_control(const BpeTokenizer& tokenizer, const std::vector<std::string>& control) {
  Rng rng(1, Stream::test);
  const std::vector<std::string> around = {"",   " ",      ".",   "\n", "house", "<",  "|>",       "中",
                                           "'s", "   but", "...", "!?", "    ",  "\t", "\n    if", "7"};
  for (const std::string& token : control) {
    const int id = tokenizer.control_id(token);
    EXPECT_TRUE(tokenizer.is_control(id));
    EXPECT_EQ(tokenizer.encode_with_control(token), std::vector<int>{id});
    for (int i = 0; i < 100; ++i) {
      const std::string before = around[rng.below(around.size())], after = around[rng.below(around.size())];
      const std::string text = before + token + after;
      for (const int found : tokenizer.encode(text)) EXPECT_FALSE(tokenizer.is_control(found)) << text;
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
      std::vector<int> want = tokenizer.encode(before);  // a program's own token cuts the text on both sides
      want.push_back(id);
      for (const int next : tokenizer.encode(after)) want.push_back(next);
      EXPECT_EQ(tokenizer.encode_with_control(text), want) << text;
    }
  }
}

TEST(BpeTokenizer, ControlTokensInUserTextStayText) {
  const std::vector<std::string> control = {"<|endoftext|>",    "<|im_start|>",   "<|im_end|>",
                                            "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"};
  expect_no_control(golden_tokenizer(), control);
  for (const char* kind : {"qwen2", "llama3", "gpt2", "digits_gpt2"}) expect_no_control(of_kind(kind), control);
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

TEST(BpeTokenizer, AMegabyteOfAnythingTakesLessThanASecond) {
  std::vector<const char*> units = kMegabytes;
  for (const char* more : {"e", "!", " \n", "\xcc\x81\xcc\x96", "'s", "house", "\xe4\xb8\xad", "<|im_end|>"})
    units.push_back(more);
  int visited = 0;
  for (const auto& [unit, seconds] : seconds_a_megabyte(golden_tokenizer(), units)) {
    EXPECT_LT(seconds, 1.0) << Json(unit).dump();
    ++visited;
  }
  EXPECT_EQ(visited, 12);
}

TEST(BpeTokenizer, AMegabyteTakesLessThanASecondForEveryKind) {
  int visited = 0;
  for (const char* kind : {"gpt2", "digits_gpt2"})  // llama3 is qwen2's scanner
    for (const auto& [unit, seconds] : seconds_a_megabyte(of_kind(kind), kMegabytes)) {
      EXPECT_LT(seconds, 1.0) << kind << " " << Json(unit).dump();
      ++visited;
    }
  EXPECT_EQ(visited, 8);
}

}  // namespace
}  // namespace cp
