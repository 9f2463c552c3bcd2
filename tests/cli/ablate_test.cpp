// `changepilot ablate` as a user types it, and its C++ form with a program that answers in no time.
#include "cli/ablate.h"

#include <gmock/gmock.h>

#include "cli/program.h"
#include "core/json.h"
#include "report/fake_ablation.h"
#include "runtime/random_nano.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::expect_mistakes;
using test::FakeProgram;
using test::Said;
using test::type;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTables = "- name: t\n  baseline: a\n  cells: [{name: a}, {name: b, train: [head.kind=flow]}]\n";

TEST(Ablate, WritesAndPrintsItsTables) {
  const FakeProgram fake("ablate_files");
  for (int seed : {0, 1}) {
    fake.answer("t", "a", seed, {"1000"});
    fake.answer("t", "b", seed, {"1111"});
  }
  const std::string config = (fake.folder / "a.yaml").string();
  write_file_durable(config, fake.config(kTables));
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_ablate({"--config", config, "--json"}, fake.path()), 0);
  std::fflush(stdout);
  const std::string out = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(out, read_file(fake.out() / "ablation.json", 1 << 20, ErrorKind::data));
  const Json json = parse_json(out, "stdout", ErrorKind::data);
  EXPECT_EQ(json.at("format"), "changepilot-ablation");
  EXPECT_EQ(json.at("/tables/0/cells/1/differences/action.sr_mask/value"_json_pointer), .75);
  EXPECT_THAT(read_file(fake.out() / "ablation.md", 1 << 20, ErrorKind::data), HasSubstr("| b "));
  EXPECT_THAT(read_file(fake.out() / "report.html", 1 << 20, ErrorKind::data), HasSubstr("<h2 id=\"table-t\">"));
  EXPECT_EQ(fake.calls().size(), 8u);

  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_ablate({"--config", config, "--lang", "zh"}, fake.path()), 0);
  std::fflush(stdout);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("## t"));
  EXPECT_TRUE(fake.calls().empty()) << "nothing runs twice";
  EXPECT_THAT(read_file(fake.out() / "report.html", 1 << 20, ErrorKind::data), HasSubstr("消融实验"));
}

TEST(Ablate, FailedCellsEndWithTheirOwnCode) {
  const FakeProgram fake("ablate_failed");
  fake.answer("t", "b", 0, {"1"});
  const std::string config = (fake.folder / "a.yaml").string();
  write_file_durable(config, fake.config(kTables));
  fake.mark("fail-train-t-a");
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_ablate({"--config", config, "seeds=0"}, fake.path()), 8);
  std::fflush(stdout);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("- failed: t/a seed 0: train ended"));
}

TEST(Ablate, ADryRunIsAListOfCommands) {
  const fs::path folder = test::fresh_folder("ablate_dry");
  const std::string config = (test::source_dir() / "configs/ablation.yaml").string();
  write_file_durable(folder / "base.yaml", "");
  const Said said = type("ablate --config " + config + " --dry-run --out " + (folder / "out").string() +
                         " trunk= seeds=3 base=" + (folder / "base.yaml").string());
  ASSERT_EQ(said.code, 0) << said.err;
  EXPECT_THAT(said.out, HasSubstr(" seed 3\n"));
  EXPECT_THAT(said.out, HasSubstr("changepilot train --config " + (folder / "base.yaml").string()));
  EXPECT_THAT(said.out, HasSubstr("changepilot validate --checkpoint "));
  EXPECT_FALSE(fs::exists(folder / "out"));
}

// The real program validates a real (random) model; training is played by a script that puts it in place.
TEST(Ablate, TheTablesTakeWhatValidateWrites) {
  const fs::path folder = test::fresh_folder("ablate_real"), model = test::make_random_nano("ablate_model");
  ASSERT_EQ(type("synth --out " + (folder / "data").string() + " --pairs 12 --seed 3").code, 0);
  write_file_durable(folder / "base.yaml", "");
  write_file_durable(folder / "program",
                     "#!/bin/sh\nfor word in \"$@\"; do case $word in out=*) run=${word#out=} ;; "
                     "esac; done\n[ \"$1\" = train ] || exec " +
                         test::kProgram.string() + " \"$@\"\nmkdir -p \"$run/checkpoints/best\" && cp -r " +
                         model.string() + " \"$run/checkpoints/best/model\"\n");
  fs::permissions(folder / "program", fs::perms::owner_all);
  write_file_durable(
      folder / "a.yaml",
      fmt::format(
          "data: {0}/data\nsplit: train\nbase: {0}/base.yaml\nout: {0}/out\nmetrics: [flag.accuracy, flag.brier, "
          "action.sr_mask, action.sr_largest, action.sr_union, action.sr_any, action.mse, action.mae, "
          "caption.text.changed.rouge_l, caption.text.changed.cider]\ntables:\n- name: t\n  baseline: one\n  "
          "cells: [{{name: one}}, {{name: few, like: one, validate: [--num-samples, 1, --seed, 7]}}]\n",
          folder.string()));
  ::testing::internal::CaptureStdout();
  ASSERT_EQ(run_ablate({"--config", (folder / "a.yaml").string()}, folder / "program"), 0);
  std::fflush(stdout);
  ::testing::internal::GetCapturedStdout();
  const Json table = read_json(folder / "out/ablation.json", ErrorKind::data).at("/tables/0"_json_pointer);
  int compared = 0;
  for (const auto& [path, entry] : table.at("cells").at(1).at("differences").items()) {
    const auto mean = [&](int cell) { return table["cells"][cell]["scores"][path]["mean"].get<double>(); };
    // predictions.jsonl has six decimals
    EXPECT_NEAR(entry.at("value").get<double>(), mean(1) - mean(0), 2e-6) << path << ": mean over pairs is the score";
    ++compared;
  }
  EXPECT_EQ(compared, 10);
}

TEST(Ablate, MistakesAreOneLineWithTheRightExitCode) {
  const fs::path folder = test::fresh_folder("ablate_mistakes");
  const std::string config = (folder / "a.yaml").string();
  write_file_durable(folder / "base.yaml", "");
  write_file_durable(config, fmt::format("data: d\nbase: {}\ntables:\n{}", (folder / "base.yaml").string(), kTables));
  write_file_durable(folder / "bad.yaml", "data: d\nbase: b\ntables:\n- {name: t}\n");
  const std::string run = "ablate --config " + config + " ";
  expect_mistakes({
      {"ablate", 2, {"--config is missing"}},
      {"ablate --config /nowhere.yaml", 2, {"/nowhere.yaml"}},
      {"ablate --config " + (folder / "bad.yaml").string(), 2, {"bad.yaml:4: table \"t\" has no cells"}},
      {run + "--only heads", 2, {"--only", "heads"}},
      {run + "--lang de", 2, {"--lang", "de"}},
      {run + "sed=1", 2, {"unknown option \"sed\"", "\"seeds\""}},
      {run + "base=/nowhere", 2, {"/nowhere"}},
      {run + "trunk=/nowhere/{seed}", 4, {"/nowhere/0"}},
      {run + "--out /proc/none", 5, {"/proc/none"}},
      {run + "--out " + folder.string(), 5, {"was not made by"}},
      {run + "--dryrun", 2, {"--dry-run"}},
  });
}

}  // namespace
}  // namespace cp
