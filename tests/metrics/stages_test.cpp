// METEOR's stages, NLTK's scores and plain CIDEr against the programs that define them.
#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "metrics/caption_sums.h"
#include "metrics/nltk_meteor.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using References = std::vector<std::vector<std::string>>;

const test::Tol kTolerance = test::Tol::abs(1e-9, "double on both sides, sums in another order");

// The golden file, and its word lists as files.
struct Golden {
  Json json = read_json(test::golden("metrics/stages.json"), ErrorKind::data);
  References references = json.at("references");
  std::vector<std::string> captions = json.at("captions");
  fs::path folder = test::fresh_folder("stages");

  Golden() {
    for (const auto& [name, text] : json.at("files").items())
      write_file_durable(folder / name, text.get<std::string>());
    write_file_durable(folder / "paraphrases", json.at("paraphrases").get<std::string>());
  }

  CaptionSums sums(std::string stages) const {
    MeteorOptions options;
    if (const std::string prefix = "normalised,"; stages.starts_with(prefix)) {
      options.normalize = true;
      stages.erase(0, prefix.size());
    }
    options.stages = parse_meteor_stages(stages);
    options.synonyms = folder;
    options.paraphrases = folder / "paraphrases";
    return sum_captions(references, captions, CaptionSplitter(), options);
  }
};

std::vector<double> meteor_of(const CaptionSums& sums) {
  std::vector<double> each{total(sums).meteor};
  for (const ImageSums& image : sums.images) each.push_back(image.meteor.score());
  return each;
}

std::vector<double> meteor_of(const Json& golden) {
  auto each = golden.at("each").get<std::vector<double>>();
  each.insert(each.begin(), golden.at("corpus").get<double>());
  return each;
}

TEST(MeteorStages, EqualTheMeteorProgram) {
  const Golden golden;
  int visited = 0;
  for (const auto& [stages, want] : golden.json.at("meteor").items()) {
    EXPECT_TRUE(test::close(stages, meteor_of(golden.sums(stages)), meteor_of(want), kTolerance));
    ++visited;
  }
  EXPECT_EQ(visited, 7);
}

TEST(MeteorStages, WithAnEntryLostDiffer) {
  Golden golden;
  const Json& want = golden.json.at("meteor").at("exact,stem,synonym,paraphrase");
  const std::string all = "exact,stem,synonym,paraphrase";
  const auto equal = [&] { return test::close(all, meteor_of(golden.sums(all)), meteor_of(want), kTolerance); };
  EXPECT_TRUE(equal());
  const std::string table = golden.json.at("paraphrases");
  write_file_durable(golden.folder / "paraphrases", table.substr(table.find("0.4\n")));  // the first entry
  EXPECT_FALSE(equal());
  write_file_durable(golden.folder / "paraphrases", table);
  std::string synsets = golden.json.at("files").at("english.synsets");
  synsets.replace(synsets.find("home\n31"), 7, "home\n39");
  write_file_durable(golden.folder / "english.synsets", synsets);
  EXPECT_FALSE(equal());
}

TEST(Nltk, ScoresEqualItsOwn) {
  const Golden golden;
  const Json& want = golden.json.at("nltk");
  const auto bleu = nltk_bleu(golden.sums("exact"));
  EXPECT_TRUE(test::close("bleu", std::vector<double>(bleu.begin(), bleu.end()),
                          want.at("bleu").get<std::vector<double>>(), kTolerance));
  NltkMeteor meteor(golden.folder / "wordnet");
  const CaptionSplitter splitter;
  std::vector<double> each;
  for (std::size_t i = 0; i < golden.captions.size(); ++i) {
    std::vector<CaptionWords> references;
    for (const std::string& reference : golden.references[i]) references.push_back(splitter.words(reference));
    each.push_back(meteor.score(references, splitter.words(golden.captions[i])));
  }
  EXPECT_TRUE(test::close("meteor", each, want.at("meteor_each").get<std::vector<double>>(), kTolerance));
  each[3] = meteor.score({splitter.words(golden.references[3][0] + " x")}, splitter.words(golden.captions[3]));
  EXPECT_FALSE(test::close("meteor", each, want.at("meteor_each").get<std::vector<double>>(), kTolerance));
}

TEST(Nltk, BleuOfOddCorporaEqualsItsOwn) {
  const auto bleu = [](const std::string& reference, const std::string& caption) {
    return nltk_bleu(sum_captions({{reference}}, {caption}, CaptionSplitter()));
  };
  EXPECT_EQ(bleu("a road", "lake")[0], 0);  // no word in common
  EXPECT_EQ(bleu("a road", "")[0], 0);      // no word at all
  EXPECT_NEAR(bleu("a road is built", "a road")[0], std::exp(1 - 2.0), 1e-12);
  EXPECT_LT(bleu("road a", "a road")[1], 1e-100);  // no bigram: the smallest double, as NLTK warns
  EXPECT_GT(bleu("road a", "a road")[1], 0);
}

TEST(PlainCider, EqualsItsFormula) {
  const Golden golden;
  std::vector<double> each, clipped;
  for (const ImageSums& image : golden.sums("exact").images) {
    each.push_back(image.cider_plain);
    clipped.push_back(image.cider);
  }
  const auto want = golden.json.at("cider_plain").get<std::vector<double>>();
  EXPECT_TRUE(test::close("cider", each, want, kTolerance));
  EXPECT_FALSE(test::close("cider-d", clipped, want, kTolerance));
}

}  // namespace
}  // namespace cp
