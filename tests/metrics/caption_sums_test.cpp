#include "metrics/caption_sums.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "metrics/caption_report.h"
#include "support/test_support.h"

namespace cp {
namespace {

using References = std::vector<std::vector<std::string>>;

const References kReferences{{"the scene is the same as before", "no change has occurred"},
                             {"some houses are built along the road", "a road with houses appears"},
                             {"many trees are removed", "the trees have been replaced by a road"}};
const std::vector<std::string> kCaptions{"there is no change", "houses are built along a road", "trees are removed"};

std::vector<double> flat(const CaptionScores& s) {
  return {s.bleu[0], s.bleu[1], s.bleu[2], s.bleu[3], s.meteor, s.rouge_l, s.cider, s.cider_plain};
}

CaptionSums sums() { return sum_captions(kReferences, kCaptions, CaptionSplitter()); }

const test::Tol kTolerance = test::Tol::abs(1e-12, "the same sums in another order");

TEST(CaptionSums, OfAllImagesAreTheCorpusScore) {
  const std::vector<std::size_t> all{2, 0, 1};
  EXPECT_TRUE(
      test::close("scores", flat(total(sums(), all)), flat(score_captions(kReferences, kCaptions)), kTolerance));
  EXPECT_NEAR(total(sums()).s_m(),
              (total(sums()).bleu[3] + total(sums()).meteor + total(sums()).rouge_l + total(sums()).cider) / 4, 1e-15);
}

TEST(CaptionSums, CountRepeatedPicksAsRepeatedImages) {
  const std::vector<std::size_t> picks{1, 1, 2};
  const auto got = flat(total(sums(), picks));
  const auto want = flat(
      score_captions({kReferences[1], kReferences[1], kReferences[2]}, {kCaptions[1], kCaptions[1], kCaptions[2]}));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << i;  // BLEU, METEOR, ROUGE-L
  const double cider = (2 * sums().images[1].cider + sums().images[2].cider) / 3;
  EXPECT_NEAR(got[6], cider, 1e-12);  // document frequencies stay those of all three
  EXPECT_GT(std::abs(got[6] - want[6]), 1e-3);
  EXPECT_EQ(flat(total(sums(), std::vector<std::size_t>{})), std::vector<double>(8, 0));
  EXPECT_THROW(total(sums(), std::vector<std::size_t>{3}), BugError);
}

TEST(CaptionProtocols, SplitAsTheyPromise) {
  EXPECT_EQ(CaptionSplitter().words(" A  t-shaped Road , two houses. . "),
            (CaptionWords{"a", "t-shaped", "road", "two", "houses."}));
  const CaptionSplitter chinese(CaptionProtocol::char_);
  EXPECT_EQ(chinese.words("道路旁，新建 3D 房屋 Ab12。"),
            (CaptionWords{"道", "路", "旁", "新", "建", "3d", "房", "屋", "ab12"}));
  EXPECT_EQ(chinese.words("a\xff道\xe9\x81"), (CaptionWords{"a", "道"}));  // damaged text is no word
  const CaptionSplitter ids(CaptionProtocol::ids, CaptionVocabulary({"road", "house"}));
  EXPECT_EQ(ids.words("Road , lake house . river"), (CaptionWords{"4", "1", "5", "1"}));
}

TEST(CaptionProtocols, CountTheirVocabulary) {
  std::vector<std::string> sentences(6, "the road .");
  sentences.insert(sentences.end(), 5, "a lake");
  const CaptionVocabulary vocabulary = CaptionVocabulary::count(sentences);
  EXPECT_EQ(vocabulary.size(), 2u);
  EXPECT_NE(vocabulary.number("road"), CaptionVocabulary::kUnknown);
  EXPECT_EQ(vocabulary.number("lake"), CaptionVocabulary::kUnknown);  // five times is not more than five
}

TEST(CaptionProtocols, IdsMakeRareWordsEqualInReferencesToo) {
  const CaptionSplitter ids(CaptionProtocol::ids, CaptionVocabulary({"a", "near"}));
  const References references{{"a lake near a quarry"}, {"near"}};
  const std::vector<std::string> captions{"a pond near a mine", "near"};
  EXPECT_NEAR(total(sum_captions(references, captions, ids)).bleu[3], 1, 1e-6);
  EXPECT_LT(total(sum_captions(references, captions, CaptionSplitter())).bleu[3], 0.1);
}

TEST(CaptionProtocols, ReadVocabulariesOfThreeKinds) {
  const auto folder = test::fresh_folder("vocabulary");
  const auto size = [&](const std::string& text) {
    write_file_durable(folder / "v", text);
    return read_caption_vocabulary(folder / "v").size();
  };
  EXPECT_EQ(size("road\nhouse\nlake\n"), 3u);
  EXPECT_EQ(size(R"(["road", "house"])"), 2u);
  EXPECT_EQ(size(R"({"<unk>": 1, "road": 4})"), 2u);
  write_file_durable(folder / "numbers", R"({"<UNK>": 7, "road": 44})");
  const CaptionSplitter numbers(CaptionProtocol::ids, read_caption_vocabulary(folder / "numbers"));
  EXPECT_EQ(numbers.words("road lake"), (CaptionWords{"44", "7"}));
  std::string record = R"({"filename": "x.png", "changeflag": 1, "sentences": [)";
  for (int i = 0; i < 6; ++i) record += R"({"raw": " a road ."},)";
  EXPECT_EQ(size(R"({"images": [)" + record + R"({"raw": "a lake"}]}]})"), 2u);
  EXPECT_TRUE(test::throws_user_error([&] { size("{\"road\": \"x\"}"); }, ErrorKind::data, {"word"}));
  EXPECT_TRUE(test::throws_user_error([&] { size(" \n"); }, ErrorKind::data, {"no word"}));
}

TEST(CaptionProtocols, RefuseStemsOfCharacters) {
  MeteorOptions stems;
  stems.stages = parse_meteor_stages("exact,stem");
  EXPECT_TRUE(test::throws_user_error(
      [&] { sum_captions(kReferences, kCaptions, CaptionSplitter(CaptionProtocol::char_), stems); }, ErrorKind::usage,
      {"\"char\"", "exact"}));
  EXPECT_TRUE(test::throws_user_error([] { parse_caption_protocol("id"); }, ErrorKind::usage, {"ids"}));
}

TEST(CaptionReport, HoldsHalvesAndFloors) {
  const CaptionReport report = report_captions(kReferences, kCaptions, {0, 1, 1}, CaptionSplitter());
  const Json& json = report.json;
  EXPECT_EQ(json.at("n_changed"), 2);
  EXPECT_NEAR(json.at("caption").at("all").at("rouge_l"), total(report.sums).rouge_l, 1e-15);
  const auto changed = score_captions({kReferences[1], kReferences[2]}, {kCaptions[1], kCaptions[2]});
  EXPECT_NEAR(json.at("caption").at("changed").at("cider"), changed.cider, 1e-15);
  const BlindSentences blind;
  const auto by_flag = score_captions(kReferences, {blind.constant, blind.changed, blind.changed});
  EXPECT_NEAR(json.at("blind").at("caption_flag").at("all").at("bleu4"), by_flag.bleu[3], 1e-15);
  EXPECT_NEAR(json.at("blind").at("caption").at("unchanged").at("bleu1"), 1, 1e-8);
  EXPECT_NE(caption_table(json).find("unchanged meteor"), std::string::npos);

  const Json without = report_captions(kReferences, kCaptions, {}, CaptionSplitter()).json;
  EXPECT_FALSE(without.at("caption").contains("changed"));
  EXPECT_EQ(caption_table(without).find("+flag"), std::string::npos);
}

}  // namespace
}  // namespace cp
