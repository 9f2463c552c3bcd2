// Training against the `tokenizers` library's BpeTrainer (tests/oracle/text_golden.py).
#include "text/bpe_trainer.h"

#include "core/json.h"
#include "support/test_support.h"
#include "text/bpe_tokenizer.h"

namespace cp {
namespace {

struct Sample {
  std::vector<std::string> texts;
  BpeTrainerOptions options;
};

Sample sample() {
  const Json json = read_json(test::golden("text/trainer.json"), ErrorKind::data);
  Sample sample;
  sample.texts = json["texts"].get<std::vector<std::string>>();
  sample.options.vocabulary_size = json["vocabulary_size"].get<int>();
  sample.options.min_frequency = json["min_frequency"].get<int>();
  return sample;
}

TEST(BpeTrainer, FindsTheLibrarysVocabularyAndMerges) {
  const auto [texts, options] = sample();
  const Json got = Json::parse(train_bpe(texts, options));
  const Json want = read_json(test::golden("text/tokenizer.json"), ErrorKind::data);
  EXPECT_GE(want["model"]["merges"].size(), 600u);
  for (const char* key : {"vocab", "merges"}) EXPECT_TRUE(got["model"][key] == want["model"][key]) << key;
  for (const Json& change : Json::diff(want, got))  // the rest of the file is as the library writes it, but for options
    EXPECT_TRUE(change["path"].get<std::string>().starts_with("/decoder/")) << change.dump();  // that decoding ignores
}

TEST(BpeTrainer, AnotherMinimumFrequencyIsNoticed) {
  auto [texts, options] = sample();
  options.min_frequency = 6;
  const Json got = Json::parse(train_bpe(texts, options));
  EXPECT_NE(got["model"]["merges"], read_json(test::golden("text/tokenizer.json"), ErrorKind::data)["model"]["merges"]);
}

TEST(BpeTrainer, OneTextMoreIsNoticed) {
  auto [texts, options] = sample();
  texts.push_back("houses houses houses houses houses houses");
  const Json got = Json::parse(train_bpe(texts, options));
  EXPECT_NE(got["model"]["merges"], read_json(test::golden("text/tokenizer.json"), ErrorKind::data)["model"]["merges"]);
}

TEST(BpeTrainer, IdsAreBytesThenMergesThenAddedTokens) {
  BpeTrainerOptions options;
  options.vocabulary_size = 270;
  const BpeTokenizer tokenizer =
      BpeTokenizer::parse(train_bpe({"the house the house the houses", "the theatre"}, options), "trained");
  EXPECT_EQ(tokenizer.size(), 270);
  EXPECT_EQ(tokenizer.decode({0}), "!");
  EXPECT_FALSE(tokenizer.is_control(263));
  int id = 264;
  for (const std::string& token : options.added_tokens) EXPECT_EQ(tokenizer.control_id(token), id++);
  EXPECT_EQ(id, tokenizer.size());
}

TEST(BpeTrainer, TiesGoToTheSmallerIds) {
  BpeTrainerOptions options;
  options.vocabulary_size = 256 + 6 + 2;
  const Json json = Json::parse(train_bpe({"zy zy ab ab"}, options));
  EXPECT_EQ(json["model"]["merges"][0], Json({"a", "b"}));  // "ab" and "zy" both come twice, " z" and " a" less often
}

TEST(BpeTrainer, StopsWhereNothingIsFrequentEnough) {
  BpeTrainerOptions options;
  options.vocabulary_size = 5000;
  options.min_frequency = 2;
  const BpeTokenizer tokenizer = BpeTokenizer::parse(train_bpe({"ab ab cd"}, options), "trained");
  EXPECT_EQ(tokenizer.size(), 256 + 1 + 6);
  EXPECT_EQ(BpeTokenizer::parse(train_bpe({}, options), "trained").size(), 256 + 6);
}

TEST(BpeTrainer, TooSmallAVocabularyIsRefused) {
  BpeTrainerOptions options;
  options.vocabulary_size = 261;
  EXPECT_TRUE(test::throws_user_error([&] { train_bpe({"a"}, options); }, ErrorKind::usage, {"262", "261"}));
}

}  // namespace
}  // namespace cp
