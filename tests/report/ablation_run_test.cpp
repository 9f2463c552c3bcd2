// The matrix with a program that notes its calls: what runs, what is not run again, what happens when a cell fails.
#include "report/ablation_run.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <gmock/gmock.h>

#include "core/folder_lock.h"
#include "core/progress.h"
#include "report/fake_ablation.h"
#include "report/results.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::FakeProgram;
using test::throws_user_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kTables =
    "- name: heads\n  cells:\n  - {name: a, train: [head.kind=flow]}\n  - {name: b, train: [head.kind=token]}\n"
    "  - {name: c, like: a, validate: [--steps, 5]}\n- name: two\n  cells: [{name: d}]\n";

struct AblationRun : ::testing::Test {
  AblationRun() : fake("ablation_run") {
    Progress::set_quiet(true);
    for (const char* cell : {"a", "b", "c"})
      for (int seed : {0, 1}) fake.answer("heads", cell, seed, {"1100"});
    for (int seed : {0, 1}) fake.answer("two", "d", seed, {"1000"});
  }
  ~AblationRun() override { Progress::set_quiet(false); }

  AblationProgram program() {
    return {fake.path(), version, [this](const fs::path& run) { return fake.folder / run; },
            [this](const std::string& line) { said += line + "\n"; }};
  }
  int run(const std::string& tables = kTables, const std::vector<std::string>& overrides = {},
          const std::set<std::string>& only = {}) {
    said.clear();
    config = parse_ablation(fake.config(tables), "a.yaml", overrides);
    tasks = plan_ablation(config, program());
    return run_ablation(config, program(), tasks, only);
  }
  Json status(const char* cell) { return read_json(fake.out() / cell / "status.json", ErrorKind::data); }

  FakeProgram fake;
  std::string version = "1.0", said;
  AblationConfig config;
  std::vector<AblationTask> tasks;
};

TEST_F(AblationRun, EveryCellIsTrainedAndValidatedOnce) {
  EXPECT_EQ(run(), 0);
  EXPECT_THAT(fake.calls(), ElementsAre("train heads-a seed-0", "validate heads-a seed-0", "train heads-b seed-0",
                                        "validate heads-b seed-0", "validate heads-c seed-0", "train two-d seed-0",
                                        "validate two-d seed-0", "train heads-a seed-1", "validate heads-a seed-1",
                                        "train heads-b seed-1", "validate heads-b seed-1", "validate heads-c seed-1",
                                        "train two-d seed-1", "validate two-d seed-1"));
  const std::string words = read_file(fake.folder / "words", 1 << 20, ErrorKind::data);
  const std::string out = fake.out().string();
  EXPECT_THAT(words, HasSubstr("train --config " + (fake.folder / "base.yaml").string() +
                               " head.kind=flow data=levir-mini seed=1 out=" + out + "/heads/a/seed-1/run\n"));
  EXPECT_THAT(words,
              HasSubstr("validate --checkpoint " + out + "/heads/a/seed-1/run --data levir-mini --split val --out " +
                        out + "/heads/c/seed-1/validate --steps 5\n"));
  EXPECT_EQ(find_text(status("heads/a/seed-0"), "train.state"), "done");
  EXPECT_TRUE(holds_validation(fake.out() / "two/d/seed-1/validate"));
}

TEST_F(AblationRun, ASecondRunStartsNothing) {
  ASSERT_EQ(run(), 0);
  ASSERT_THAT(fake.calls(), Not(IsEmpty()));
  EXPECT_EQ(run(), 0);
  EXPECT_THAT(fake.calls(), IsEmpty());
  EXPECT_THAT(said, HasSubstr("8 of 8 cells are done already"));
  fs::remove_all(fake.out() / "heads/a/seed-0/run");  // to save space: its result is still there
  EXPECT_EQ(run(), 0);
  EXPECT_THAT(fake.calls(), IsEmpty());
}

TEST_F(AblationRun, AChangedOptionRunsOnlyWhatHangsOnItAgain) {
  ASSERT_EQ(run(), 0);
  fake.calls();
  std::string tables = kTables;
  tables.replace(tables.find("head.kind=token"), 15, "head.kind=other");
  EXPECT_EQ(run(tables), 0);
  EXPECT_THAT(fake.calls(), ElementsAre("train heads-b seed-0", "validate heads-b seed-0", "train heads-b seed-1",
                                        "validate heads-b seed-1"));
  EXPECT_THAT(said, HasSubstr("heads/b seed 1: options, base file, trunk, data or program changed"));
  EXPECT_THAT(said, Not(HasSubstr("heads/a")));
  tables.replace(tables.find("--steps, 5"), 10, "--steps, 9");
  EXPECT_EQ(run(tables), 0);
  EXPECT_THAT(fake.calls(), ElementsAre("validate heads-c seed-0", "validate heads-c seed-1")) << "no training";
}

TEST_F(AblationRun, BaseFileSplitProgramAndTrunkCountToo) {
  ASSERT_EQ(run(), 0);
  fake.calls();
  EXPECT_EQ(run(kTables, {"split=test"}), 0);
  EXPECT_EQ(fake.calls().size(), 8u) << "validations only";
  write_file_durable(fake.folder / "base.yaml", "views: 2\n");
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(fake.calls().size(), 14u);
  version = "1.1";
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(fake.calls().size(), 14u);
  EXPECT_TRUE(throws_user_error([&] { run(kTables, {"trunk=trunk-{seed}"}); }, ErrorKind::model, {"trunk-0"}));
  for (int seed : {0, 1})
    write_file_durable(fake.folder / fmt::format("trunk-{}/changepilot.json", seed), std::to_string(seed));
  EXPECT_EQ(run(kTables, {"trunk=trunk-{seed}"}), 0);
  EXPECT_EQ(fake.calls().size(), 14u);
  EXPECT_THAT(read_file(fake.folder / "words", 1 << 20, ErrorKind::data), HasSubstr("from=trunk-1 first_stage=head "));
  write_file_durable(fake.folder / "trunk-1/changepilot.json", "retrained");
  EXPECT_EQ(run(kTables, {"trunk=trunk-{seed}"}), 0);
  EXPECT_EQ(fake.calls().size(), 7u) << "seed 1 only";
}

TEST_F(AblationRun, OnlyTheNamedTablesRunAndTheTrainingsTheyNeed) {
  const std::string tables = std::string(kTables) + "- name: three\n  cells: [{name: e, like: heads/b}]\n";
  for (int seed : {0, 1}) fake.answer("three", "e", seed, {"1"});
  EXPECT_EQ(run(tables, {"seeds=0"}, {"three"}), 0);
  EXPECT_THAT(fake.calls(), ElementsAre("train heads-b seed-0", "validate three-e seed-0"));
}

TEST_F(AblationRun, AFailedCellIsMarkedAndTheMatrixGoesOn) {
  fake.mark("fail-train-heads-a");
  EXPECT_EQ(run(kTables, {"seeds=0"}), kCellsFailedExitCode);
  EXPECT_THAT(fake.calls(), ElementsAre("train heads-a seed-0", "train heads-b seed-0", "validate heads-b seed-0",
                                        "train two-d seed-0", "validate two-d seed-0"))
      << "c has no model, and a's training is not tried twice";
  const AblationStatus own = status_of(tasks, 0), follower = status_of(tasks, 2);
  for (const AblationStatus& state : {own, follower}) {
    EXPECT_EQ(state.state, AblationStatus::State::failed);
    EXPECT_EQ(state.code, 9);
    EXPECT_EQ(state.step, "train");
    EXPECT_EQ(state.last_line, "the disk <broke>") << "of the log, without control characters";
  }
  EXPECT_THAT(said, HasSubstr("heads/a seed 0: train failed with exit code 9: the disk <broke>"));
  fake.unmark("fail-train-heads-a");
  EXPECT_EQ(run(kTables, {"seeds=0"}), 0);
  EXPECT_THAT(fake.calls(), ElementsAre("train heads-a seed-0", "validate heads-a seed-0", "validate heads-c seed-0"));
}

TEST_F(AblationRun, CrashesAndSuccessWithoutFilesAreFailures) {
  fake.mark("die-validate-heads-a");
  fs::remove(fake.folder / "answers/heads-b/seed-0/metrics.json");
  EXPECT_EQ(run(kTables, {"seeds=0"}), kCellsFailedExitCode);
  EXPECT_EQ(status_of(tasks, 0).code, 128 + SIGKILL);
  EXPECT_EQ(status_of(tasks, 1).state, AblationStatus::State::failed);
  EXPECT_THAT(status_of(tasks, 1).last_line, HasSubstr("metrics.json"));
  EXPECT_EQ(status_of(tasks, 2).state, AblationStatus::State::done);
}

TEST_F(AblationRun, HalfWrittenFilesAreReplaced) {
  write_file_durable(fake.out() / "ablation.lock", "");
  for (const char* old : {"validate/metrics.json", "validate.partial/x", "status.json", "run/checkpoints/old/x"})
    write_file_durable(fake.out() / "heads/a/seed-0" / old, "{\"format\":");
  EXPECT_EQ(run(kTables, {"seeds=0"}), 0);
  EXPECT_FALSE(fs::exists(fake.out() / "heads/a/seed-0/run/checkpoints/old"));
  EXPECT_EQ(read_validation(fake.out() / "heads/a/seed-0/validate").pairs.size(), 4u);
}

TEST_F(AblationRun, OneRunAtATimeAndOnlyInItsOwnFolder) {
  {
    const FolderLock lock(fake.out(), "ablation.lock");
    EXPECT_TRUE(
        throws_user_error([&] { run(); }, ErrorKind::write, {"is at work here", std::to_string(::getpid()).c_str()}));
    EXPECT_THAT(fake.calls(), IsEmpty());
  }
  EXPECT_EQ(run(kTables, {"seeds=0"}), 0) << "the lock ends with its holder";
  write_file_durable(fake.folder / "photos/heads/a/seed-0/run/mine", "");
  EXPECT_TRUE(throws_user_error([&] { run(kTables, {"out=" + (fake.folder / "photos").string()}); }, ErrorKind::write,
                                {"not made by"}));
  EXPECT_TRUE(fs::exists(fake.folder / "photos/heads/a/seed-0/run/mine"));
}

TEST_F(AblationRun, ADryRunNamesEveryCommandAndWritesNothing) {
  config = parse_ablation(fake.config(kTables), "a.yaml", {"seeds=0"});
  tasks = plan_ablation(config, program());
  const std::string text = dry_run_text(config, tasks, {"heads"});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3 + 2 + 3) << text;
  EXPECT_THAT(text, HasSubstr("# heads/c seed 0, with the model of heads/a\n" + fake.path().string() + " validate "));
  EXPECT_THAT(text, Not(HasSubstr("two/d")));
  EXPECT_FALSE(fs::exists(fake.out()));
  ASSERT_EQ(run(kTables, {"seeds=0"}), 0);
  EXPECT_THAT(dry_run_text(config, tasks, {}), HasSubstr("# heads/a seed 0: done\n# heads/b seed 0: done\n"));
}

TEST_F(AblationRun, ASignalStopsTheChildAndTheCellIsRunAgain) {
  fake.mark("sleep-train-heads-b");
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run(kTables, {"seeds=0"}));
  for (int i = 0; i < 600 && !fs::exists(fake.folder / "started"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_TRUE(fs::exists(fake.folder / "started"));
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 128 + SIGTERM);
  EXPECT_THAT(fake.calls(), ElementsAre("train heads-a seed-0", "validate heads-a seed-0", "train heads-b seed-0"));
  fake.unmark("sleep-train-heads-b");
  EXPECT_EQ(run(kTables, {"seeds=0"}), 0);
  EXPECT_EQ(fake.calls()[0], "train heads-b seed-0") << "a is done";
}

}  // namespace
}  // namespace cp
