// `changepilot report` as a user types it, on what `validate --out` wrote.

#include <cstdlib>

#include <gmock/gmock.h>

#include "cli/program.h"
#include "core/json.h"
#include "runtime/random_nano.h"
#include "runtime/small_folders.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::expect_mistakes;
using test::Said;
using test::type;
using ::testing::HasSubstr;
using ::testing::Not;

struct Report : ::testing::Test {
  static void SetUpTestSuite() {
    folder = test::fresh_folder("report_program");
    const fs::path model = test::make_random_nano("report_model");
    ::setenv("CHANGEPILOT_MODEL", model.c_str(), 1);
    ASSERT_EQ(type("synth --out " + (folder / "data").string() + " --pairs 20 --seed 3").code, 0);
    for (const char* name : {"first", "second"}) {
      const Said said = type("validate --data " + (folder / "data").string() + " --split train --out " +
                             (folder / name).string() + " --seed " + (name[0] == 'f' ? "0" : "1"));
      ASSERT_EQ(said.code, 0) << said.err;
    }
    write_file_durable(folder / "run" / "metrics.jsonl",
                       "{\"step\":1,\"stage\":\"map\",\"loss\":2.5}\n{\"step\":2,\"stage\":\"map\",\"loss\":1.5}\n");
    write_file_durable(folder / "run" / "config.yaml", "seed: 0\n");
  }
  static void TearDownTestSuite() { ::unsetenv("CHANGEPILOT_MODEL"); }
  static std::string path(const char* name) { return (folder / name).string() + " "; }
  static std::string text(const fs::path& file) { return read_file(file, 1 << 26, ErrorKind::data); }
  static inline fs::path folder;
};

TEST_F(Report, OnePageWithPicturesAndSliders) {
  const Said said = type("report " + path("first") + path("second") + path("run") + "--compare --data " + path("data") +
                         "--out " + path("all.html") + "--csv " + path("all.csv") + "--tensorboard " + path("events"));
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_THAT(said.out, HasSubstr("report   " + (folder / "all.html").string()));
  const std::string html = text(folder / "all.html");
  for (const char* part :
       {"data:image/jpeg;base64,", "data-steps=\"", "pair by pair", "svg class=\"flow\"", "training loss"})
    EXPECT_THAT(html, HasSubstr(part));
  EXPECT_LT(html.size(), std::size_t{6} << 20) << "small enough to mail";
  EXPECT_THAT(text(folder / "all.csv"), HasSubstr("first,validation,,flag.accuracy,"));
  EXPECT_THAT(text(folder / "all.csv"), HasSubstr("run,training,2,map.loss,1.5,,"));
  EXPECT_GT(text(folder / "events/run/events.out.tfevents.0.changepilot").size(), 60u);
}

TEST_F(Report, ValidateWritesThePageToo) {
  const std::string html = text(folder / "second" / "report.html");
  for (const char* part : {"data:image/jpeg;base64,", "svg class=\"flow\"", "<dt>second</dt>"})
    EXPECT_THAT(html, HasSubstr(part));
  EXPECT_THAT(html, Not(HasSubstr("data-steps=\"")));
  EXPECT_THAT(html, Not(HasSubstr("tmp-"))) << "the working folder's name";
}

// The published design: pooled features, no change map.
TEST_F(Report, AModelWithoutAMapIsDrawnWithoutOne) {
  const std::string parts = "--vision " + test::make_small_clip("report_clip").string() + " --language " +
                            test::make_small_language("report_language").string();
  ASSERT_EQ(type("model new " + parts + " --fusion concat --out " + path("published")).code, 0);
  const Said said = type("validate --data " + path("data") + "--split train --model " + path("published") + "--out " +
                         path("concat"));
  ASSERT_EQ(said.code, 0) << said.err;
  ASSERT_EQ(type("report " + path("concat") + "--data " + path("data")).code, 0);
  const std::string html = text(folder / "concat" / "report.html");
  EXPECT_THAT(html, HasSubstr("fusion · concat"));
  const std::size_t flow = html.find("svg class=\"flow\"");
  ASSERT_NE(flow, html.npos);
  EXPECT_THAT(html.substr(flow, html.find("</svg>", flow) - flow), Not(HasSubstr("change map")));
  EXPECT_THAT(html, HasSubstr("data-steps=\""));
}

TEST_F(Report, TheSameFilesGiveTheSamePage) {
  for (const char* out : {"a.html", "b.html"})
    ASSERT_EQ(type("report " + path("first") + "--out " + path(out)).code, 0);
  EXPECT_EQ(text(folder / "a.html"), text(folder / "b.html"));
}

TEST_F(Report, StandsInTheFolderUnlessToldOtherwiseAndSpeaksChinese) {
  ASSERT_EQ(type("report " + path("first") + "--lang zh").code, 0);
  const std::string html = text(folder / "first" / "report.html");
  EXPECT_THAT(html, HasSubstr("实验报告"));
  EXPECT_THAT(html, Not(HasSubstr("not measured")));
  EXPECT_THAT(html, HasSubstr("--data DIR")) << "the cases say why they have no pictures";
}

TEST_F(Report, ARunAloneShowsItsCurves) {
  ASSERT_EQ(type("report " + path("run") + "--out " + path("run.html")).code, 0);
  const std::string html = text(folder / "run.html");
  EXPECT_THAT(html, HasSubstr("training loss"));
  EXPECT_THAT(html, HasSubstr("not measured"));
}

TEST_F(Report, AChangedModelLosesArchitectureAndSliders) {
  const fs::path copy = folder / "moved";
  fs::create_directories(copy);
  for (const char* file : {"metrics.json", "predictions.jsonl"}) fs::copy_file(folder / "first" / file, copy / file);
  Json metrics = read_json(copy / "metrics.json", ErrorKind::data);
  metrics["run"]["model_id"] = std::string(64, '0');
  write_file_durable(copy / "metrics.json", metrics.dump());
  ASSERT_EQ(type("report " + path("moved") + "--data " + path("data")).code, 0);
  const std::string html = text(copy / "report.html");
  EXPECT_THAT(html, HasSubstr("The model folder is not here"));
  EXPECT_THAT(html, Not(HasSubstr("data-steps=\"")));
  EXPECT_THAT(html, HasSubstr("data:image/jpeg;base64,"));
}

TEST_F(Report, MistakesAreOneLineWithTheRightExitCode) {
  write_file_durable(folder / "wrong" / "metrics.json", "{\"format\":\"x\"}");
  expect_mistakes({
      {"report", 2, {"at least one folder", "changepilot validate --out"}},
      {"report " + path("data"), 3, {"neither metrics.json nor metrics.jsonl"}},
      {"report /nowhere", 3, {"/nowhere"}},
      {"report " + path("wrong"), 3, {"metrics.json", "changepilot-validation"}},
      {"report " + path("first") + "--lang de", 2, {"--lang", "de"}},
      {"report " + path("first") + "--compare", 2, {"--compare", "two validations"}},
      {"report " + path("first") + "--cases 51", 2, {"--cases", "51"}},
      {"report " + path("first") + "--tensorboard x", 2, {"--tensorboard", "training run"}},
      {"report " + path("first") + "--data /nowhere", 3, {"--data", "/nowhere"}},
      {"report " + path("first") + "--model " + path("data"), 4, {"changepilot.json"}},
      {"report " + path("first") + "--out /proc/none/x.html", 5, {"/proc/none"}},
  });
}

}  // namespace
}  // namespace cp
