#include "metrics/caption.h"

#include <cmath>

#include "core/json.h"
#include "support/test_support.h"

namespace cp {
namespace {

using References = std::vector<std::vector<std::string>>;

std::vector<double> flat(const CaptionScores& s) {
  return {s.bleu[0], s.bleu[1], s.bleu[2], s.bleu[3], s.meteor, s.rouge_l, s.cider};
}
std::vector<double> flat(const Json& s) {
  auto scores = s.at("bleu").get<std::vector<double>>();
  for (const char* key : {"meteor", "rouge_l", "cider"}) scores.push_back(s.at(key));
  return scores;
}

const test::Tol kTolerance = test::Tol::abs(1e-9, "double on both sides, sums in another order");

TEST(CaptionScores, EqualTheCocoScorersAndMeteorOnMadeUpCaptions) {
  const Json golden = read_json(test::golden("metrics/captions.json"), ErrorKind::data);
  int visited = 0;
  for (const Json& corpus : golden) {
    const auto scores = score_captions(corpus.at("references"), corpus.at("captions"));
    EXPECT_TRUE(test::close("scores", flat(scores), flat(corpus), kTolerance)) << corpus.at("name");
    ++visited;
  }
  EXPECT_EQ(visited, 15);
}

TEST(CaptionScores, OfSwappedCaptionsDiffer) {
  const Json golden = read_json(test::golden("metrics/captions.json"), ErrorKind::data);
  int differ = 0, visited = 0;
  for (const Json& corpus : golden) {
    if (corpus.at("captions").size() < 40) continue;
    auto captions = corpus.at("captions").get<std::vector<std::string>>();
    const auto references = corpus.at("references").get<References>();
    std::swap(captions[0], captions[1]);
    const auto got = flat(score_captions(references, captions)), want = flat(corpus);
    for (std::size_t i = 0; i < got.size(); ++i, ++visited) differ += !(std::abs(got[i] - want[i]) <= 1e-9);
  }
  EXPECT_EQ(visited, 14);
  EXPECT_EQ(differ, 14);
}

TEST(CaptionScores, OfEachPictureEqualMeteorsOwn) {
  const Json golden = read_json(test::golden("metrics/captions.json"), ErrorKind::data);
  int visited = 0;
  for (const Json& corpus : golden)
    for (std::size_t i = 0; i < corpus.at("captions").size(); ++i, ++visited) {
      const auto one = score_captions({corpus.at("references")[i]}, {corpus.at("captions")[i]});
      EXPECT_NEAR(one.meteor, corpus.at("meteor_each")[i].get<double>(), 1e-9) << corpus.at("name") << " " << i;
    }
  EXPECT_EQ(visited, 125);
}

// The research captions may not be committed, so only their scores are. Also the speed: a whole test split in a second.
TEST(CaptionScores, EqualTheCocoScorersOnTwoThousandRealPairs) {
  CP_SKIP_WITHOUT_DATA(folder, "levir-cc-captions");
  const Json golden = read_json(test::golden("metrics/captions_levir.json"), ErrorKind::data);
  const Json records = read_json(folder / "LevirCCcaptions.json", ErrorKind::data).at("images");
  const auto pairs = golden.at("pairs").get<std::size_t>();
  References references, shifted;
  std::vector<std::string> captions;
  for (std::size_t i = 0; i < pairs; ++i) {
    const Json& sentences = records.at(i).at("sentences");
    captions.push_back(sentences.at(0).at("raw"));
    references.emplace_back();
    for (std::size_t k = 1; k < sentences.size(); ++k) references.back().push_back(sentences[k].at("raw"));
  }
  ASSERT_EQ(captions.size(), 2000u);
  EXPECT_TRUE(test::close("scores", flat(score_captions(references, captions)), flat(golden), kTolerance));
  references[1234].pop_back();  // the planted fault: one of 8,000 references lost
  EXPECT_FALSE(test::close("scores", flat(score_captions(references, captions)), flat(golden), kTolerance));
}

TEST(CaptionScores, OfNothingAreZero) {
  for (const double score : flat(score_captions({}, {}))) EXPECT_EQ(score, 0);
}

TEST(CaptionScores, OfOnePictureHaveNoCider) {
  const auto scores = score_captions({{"a road is built"}}, {"a road is built"});
  EXPECT_EQ(scores.cider, 0);
  EXPECT_NEAR(scores.bleu[3], 1, 1e-8);
  EXPECT_NEAR(scores.rouge_l, 1, 1e-12);
  EXPECT_NEAR(scores.meteor, 1, 1e-12);
}

TEST(CaptionScores, RefuseUnequalSizes) {
  EXPECT_THROW(score_captions({{"a"}}, {}), BugError);
  EXPECT_THROW(score_captions({{}}, {"a"}), BugError);
}

}  // namespace
}  // namespace cp
