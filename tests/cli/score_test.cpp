// `changepilot score` as a user types it.
#include "cli/score.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "program.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

struct Files {
  fs::path folder = test::fresh_folder("score");
  std::string captions = (folder / "captions.csv").string(), references = (folder / "references.jsonl").string();
  std::string both = "score --predictions " + captions + " --references " + references;

  Files() {
    write_file_durable(captions, "a,the scene is the same\nb,houses appear along the road\n");
    write_file_durable(references,
                       "{\"name\": \"a\", \"references\": [\"the scene is the same as before\"], \"changeflag\": 0}\n"
                       "{\"name\": \"b\", \"references\": [\"a house appears along the road\"], \"changeflag\": 1}\n");
  }
};

TEST(Score, PrintsATableOrJsonAndWritesEachPicture) {
  const Files files;
  const test::Said table = test::type(files.both);
  EXPECT_EQ(table.code, 0) << table.err;
  for (const char* part : {"2 pairs, 1 changed", "protocol text, METEOR exact", "all bleu4", "changed cider", "+flag"})
    EXPECT_THAT(table.out, ::testing::HasSubstr(part));
  const std::string each = (files.folder / "each.jsonl").string();
  const test::Said json = test::type(files.both + " --json --meteor exact,stem --each " + each);
  EXPECT_EQ(json.code, 0) << json.err;
  const Json report = Json::parse(json.out);
  EXPECT_EQ(report.at("meteor"), "exact,stem");
  const std::string lines = read_file(each, 1 << 20, ErrorKind::data);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  const Json exact = Json::parse(test::type(files.both + " --json").out);
  EXPECT_GT(report.at("caption").at("all").at("meteor"), exact.at("caption").at("all").at("meteor"));  // house, houses
}

TEST(Score, TakesWordListsFromFiles) {
  const Files files;
  write_file_durable(files.folder / "english.synsets", "appear\n1\nhouse\n7\nscene\n9\n");
  write_file_durable(files.folder / "english.exceptions", "");
  write_file_durable(files.folder / "table", "0.5\nhouses\na house\n");
  write_file_durable(files.folder / "words", "the\nscene\nis\nsame\nroad\n");
  const auto meteor = [&](const std::string& arguments) {
    const test::Said said = test::type(files.both + " --json " + arguments);
    EXPECT_EQ(said.code, 0) << said.err;
    return Json::parse(said.out).at("caption").at("all").at("meteor").get<double>();
  };
  const double exact = meteor("");
  EXPECT_GT(meteor("--meteor exact,synonym --wordnet " + files.folder.string()), exact);
  EXPECT_GT(meteor("--meteor exact,paraphrase --paraphrases " + (files.folder / "table").string()), exact);
  EXPECT_NE(meteor("--protocol ids --vocabulary " + (files.folder / "words").string()), exact);
}

TEST(Score, SaysWhatIsWrong) {
  const Files files;
  const std::string table = (files.folder / "no-table").string(), broken = (files.folder / "b.csv").string();
  write_file_durable(broken, "a,x\nzz,y\n");
  test::expect_mistakes({
      {"score", 2, {"--predictions"}},
      {files.both + " --meteor stem", 2, {"--meteor", "exact"}},
      {files.both + " --meteor exact,paraphrase", 2, {"--paraphrases"}},
      {files.both + " --meteor exact,paraphrase --paraphrases " + table, 3, {table}},
      {files.both + " --meteor exact,synonym --wordnet " + table, 3, {"index.noun", "wordnet-base"}},
      {files.both + " --protocol char --meteor exact,stem", 2, {"char"}},
      {files.both + " --protocol words", 2, {"text"}},
      {files.both + " --vocabulary x", 2, {"--vocabulary", "ids"}},
      {files.both + " --split test", 3, {"\"test\""}},
      {"score --predictions " + broken + " --references " + files.references, 3, {broken, "\"zz\""}},
  });
}

}  // namespace
}  // namespace cp
