#include "metrics/meteor.h"

#include <zlib.h>

#include "core/file.h"
#include "metrics/meteor_align.h"
#include "metrics/meteor_normalize.h"
#include "metrics/paraphrases.h"
#include "metrics/stemmer.h"
#include "metrics/synonyms.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

// METEOR's own two files. "house" and "home" share synset 7, "fell" is irregular.
fs::path small_synonyms() {
  const fs::path folder = test::fresh_folder("synonyms");
  write_file_durable(folder / "english.synsets", "bus\n3\nfall\n1 2\nhome\n7\nhouse\n5 7\nplummet\n2\n");
  write_file_durable(folder / "english.exceptions", "fall\nfell fallen\n");
  return folder;
}

MeteorScorer with(const std::string& stages, const fs::path& synonyms = {}, const fs::path& paraphrases = {}) {
  MeteorOptions options;
  options.stages = parse_meteor_stages(stages);
  options.synonyms = synonyms;
  options.paraphrases = paraphrases;
  return MeteorScorer(options);
}

TEST(Meteor, FindsTheFewestChunks) {
  MeteorScorer meteor;
  // Two chunks, "a b" and "a b c".
  EXPECT_EQ(meteor.counts({"aa", "bb", "cc", "aa", "bb"}, {"aa", "bb", "aa", "bb", "cc"}).chunks, 2);
  EXPECT_EQ(meteor.counts({"aa", "bb", "cc"}, {"aa", "bb", "cc"}).chunks, 1);
  EXPECT_EQ(meteor.counts({"dd", "cc", "bb", "aa"}, {"aa", "bb", "cc", "dd"}).chunks, 4);
  EXPECT_EQ(meteor.counts({"ee", "ee"}, {"ff"}).chunks, 0);
}

TEST(Meteor, WeighsFunctionWordsLess) {
  for (const char* word : {"the", "years", "'s", ",", "\u201d"}) EXPECT_TRUE(is_function_word(word)) << word;
  for (const char* word : {"houses", "", "12"}) EXPECT_FALSE(is_function_word(word)) << word;
  MeteorScorer meteor;
  const MeteorCounts content = meteor.counts({"house", "the"}, {"house", "of"});
  const MeteorCounts function = meteor.counts({"the", "house"}, {"the", "road"});
  EXPECT_NEAR(content.score(), 0.75 / 1.0 * 0.4, 1e-12);  // P = R = 0.75, one chunk of one match: penalty 0.6
  EXPECT_NEAR(function.score(), 0.25 / 1.0 * 0.4, 1e-12);
}

TEST(Meteor, StagesMatchWhatTheirNamesSay) {
  const fs::path synonyms = small_synonyms();
  const auto matches = [&](const std::string& stages, const std::string& test, const std::string& reference) {
    return with(stages, synonyms).counts({test}, {reference}).test_matches();
  };
  EXPECT_EQ(matches("exact", "houses", "house"), 0);
  EXPECT_EQ(matches("exact,stem", "houses", "house"), 1);
  EXPECT_EQ(matches("exact,stem", "home", "house"), 0);
  EXPECT_EQ(matches("exact,synonym", "home", "house"), 1);
  EXPECT_EQ(matches("exact,synonym", "homes", "houses"), 1);  // by the suffix rules
  EXPECT_EQ(matches("exact,synonym", "fell", "plummet"), 1);  // by the exceptions
  EXPECT_EQ(matches("exact,synonym", "fall", "house"), 0);    // no synset in common
  EXPECT_EQ(matches("exact,synonym", "unheard-of", "house"), 0);
}

TEST(Meteor, WeighsStagesByTheirPlace) {
  const fs::path synonyms = small_synonyms();
  const double stem = with("exact,stem").counts({"houses"}, {"house"}).score();
  const double second = with("exact,synonym", synonyms).counts({"home"}, {"house"}).score();
  const double third = with("exact,stem,synonym", synonyms).counts({"home"}, {"house"}).score();
  EXPECT_NEAR(stem, 0.6, 1e-12);  // one perfect chunk: no penalty
  EXPECT_NEAR(second, 0.6, 1e-12);
  EXPECT_NEAR(third, 0.8, 1e-12);
}

TEST(Meteor, ParaphrasesMayBeOfUnequalLength) {
  const fs::path table = test::fresh_folder("paraphrases") / "table";
  write_file_durable(table, "0.5\nparking lot\ncar park area\n0.1\na\nthe\n");
  MeteorScorer meteor = with("exact,paraphrase", {}, table);
  for (const bool swapped : {false, true}) {
    Words one{"big", "parking", "lot"}, other{"big", "car", "park", "area"};
    if (swapped) std::swap(one, other);
    const MeteorCounts counts = meteor.counts(one, other);
    EXPECT_EQ(counts.chunks, 1);
    EXPECT_EQ(counts.test_matches(), one.size());
    EXPECT_EQ(counts.reference_matches(), other.size());
    EXPECT_TRUE(counts.perfect());
  }
  EXPECT_EQ(meteor.counts({"the"}, {"a"}).test_function[1], 1);
}

TEST(Meteor, KeepsTheFirstOfEqualReferencesAndZerosWithout) {
  MeteorScorer meteor;
  const MeteorCounts best = meteor.best({"house", "road"}, {{"tree"}, {"house", "lake"}, {"road", "pool"}, {"sea"}});
  EXPECT_EQ(best.reference_length, 2);
  EXPECT_EQ(best.test_matches(), 1);
  EXPECT_EQ(meteor.best({"house"}, {}).score(), 0);
  EXPECT_EQ(meteor.best({}, {{"house"}}).score(), 0);
}

TEST(Meteor, WantsItsStagesInOrder) {
  EXPECT_EQ(meteor_stages_text(parse_meteor_stages("exact,synonym")), "exact,synonym");
  for (const char* wrong : {"", "stem", "stem,exact", "exact,exact", "exact,", "exact,stems"})
    EXPECT_TRUE(
        test::throws_user_error([&] { parse_meteor_stages(wrong); }, ErrorKind::usage, {"--meteor", "exact,stem"}))
        << wrong;
  EXPECT_TRUE(test::throws_user_error([] { with("exact,paraphrase"); }, ErrorKind::usage, {"--paraphrases"}));
}

TEST(MeteorNormalisation, PartsHyphensPunctuationAndClitics) {
  EXPECT_EQ(meteor_normalize({"lower-left", "road's", "end."}), (Words{"lower", "left", "road", "'s", "end", "."}));
  EXPECT_EQ(meteor_normalize({"(a)", "3,4", "b,c"}), (Words{"(", "a", ")", "3,4", "b", ",", "c"}));
  EXPECT_EQ(meteor_normalize({"end.", "then", "u.s.", "vs.", "3"}), (Words{"end.", "then", "us", "vs.", "3"}));
  EXPECT_EQ(meteor_normalize({"so...", "\u201cx\u201d", "a--b"}), (Words{"so", "...", "\"", "x", "\"", "a", "b"}));
  EXPECT_EQ(meteor_normalize({"a", "road"}), (Words{"a", "road"}));
  EXPECT_TRUE(meteor_normalize({}).empty());
}

TEST(MeteorAlignment, PrefersMoreWordsThenFewerChunks) {
  // Reference word 0 fits hypothesis word 1 or 0, word 1 fits 1 only: both are matched.
  const auto both = align_meteor(2, 2, {{0, 1, 1, 1, 0, true}, {0, 1, 0, 1, 0, true}, {1, 1, 1, 1, 0, true}});
  ASSERT_EQ(both.matches.size(), 2u);
  EXPECT_EQ(both.matches[0].test_start, 0);
  EXPECT_EQ(both.chunks, 1);
  EXPECT_TRUE(align_meteor(3, 3, {}).matches.empty());
}

TEST(MeteorAlignment, TakesSentencesLongerThanOneBlockOfBits) {
  std::vector<MeteorMatch> diagonal;
  for (int r = 0; r < 200; ++r) {
    diagonal.push_back({r, 1, r, 1, 0, true});
    diagonal.push_back({r, 1, (r + 1) % 200, 1, 0, true});
  }
  const auto found = align_meteor(200, 200, diagonal);
  EXPECT_EQ(found.matches.size(), 200u);
  EXPECT_EQ(found.chunks, 1);
}

TEST(Paraphrases, KeepOnlyEntriesOfTheVocabulary) {
  const fs::path file = test::fresh_folder("paraphrases") / "table.gz";
  const std::string text = "0.5\nparking lot\ncar park\n0.1\na\nthe\n0.2\nhouse\ndwelling\n";
  const gzFile gz = gzopen(file.c_str(), "wb");
  gzwrite(gz, text.data(), static_cast<unsigned>(text.size()));
  gzclose(gz);
  EXPECT_EQ(ParaphraseTable::read(file, {}).size(), 3u);
  EXPECT_EQ(ParaphraseTable::read(file, {"house", "a", "the"}).size(), 1u);
  const std::string packed = read_file(file, 1 << 20, ErrorKind::data);
  write_file_durable(file, packed.substr(0, packed.size() / 2));
  EXPECT_TRUE(test::throws_user_error([&] { ParaphraseTable::read(file, {}); }, ErrorKind::data, {"table.gz"}));
}

TEST(Paraphrases, RefuseWhatIsNoTable) {
  const fs::path file = test::fresh_folder("paraphrases") / "table";
  const auto refused = [&](const std::string& text, const char* part) {
    write_file_durable(file, text);
    return test::throws_user_error([&] { ParaphraseTable::read(file, {}); }, ErrorKind::data, {"table", part});
  };
  EXPECT_TRUE(refused("0.5\na\n", "inside an entry"));
  EXPECT_TRUE(refused(std::string(3 << 20, 'x'), "longer than"));
  EXPECT_TRUE(
      test::throws_user_error([&] { ParaphraseTable::read(file.parent_path(), {}); }, ErrorKind::data, {"read"}));
}

TEST(Stems, OfBothStemmersAreTheirOwn) {
  const EnglishStemmer snowball;
  EXPECT_EQ(snowball.stem("generously"), "generous");
  EXPECT_EQ(nltk_porter_stem("generously"), "gener");
  EXPECT_EQ(snowball.stem("buildings"), "build");
  EXPECT_EQ(nltk_porter_stem("buildings"), "build");
  EXPECT_EQ(snowball.stem(""), "");
  EXPECT_EQ(nltk_porter_stem("dying"), "die");
  EXPECT_EQ(nltk_porter_stem("enjoy"), "enjoy");
}

TEST(Synonyms, NameTheDamagedFile) {
  const fs::path folder = small_synonyms();
  write_file_durable(folder / "english.synsets", "house\n5 seven\n");
  const SynonymSets sets(folder);
  EXPECT_TRUE(test::throws_user_error([&] { sets.of("house"); }, ErrorKind::data, {"english.synsets", "seven"}));
  EXPECT_TRUE(test::throws_user_error([&] { SynonymSets nowhere(folder / "none"); }, ErrorKind::data, {"index.noun"}));
}

}  // namespace
}  // namespace cp
