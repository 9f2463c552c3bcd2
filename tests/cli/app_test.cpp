#include "cli/app.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <functional>

#include "cli/paths.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::throws_user_error;
using ::testing::HasSubstr;

struct Said {
  int code;
  std::string out, err;
};

Said run_with(std::vector<std::string> words) {
  words.insert(words.begin(), "changepilot");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int code = run(static_cast<int>(argv.size()), argv.data());
  Said said{code, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr()};
  return said;
}

void make_model(const fs::path& folder) {
  fs::create_directories(folder);
  std::ofstream(folder / "changepilot.json") << "{}";
}

TEST(App, PrintsItsVersion) {
  EXPECT_EQ(run_with({"--version"}).out, run_with({"version"}).out);
  EXPECT_THAT(run_with({"--version"}).out, ::testing::MatchesRegex("changepilot [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(App, HelpListsCommandsAndExitCodes) {
  const Said said = run_with({"--help"});
  EXPECT_EQ(said.code, 0);
  for (const char* part : {"infer", "train", "version", "Exit codes", "70 a bug"})
    EXPECT_THAT(said.out, HasSubstr(part));
  EXPECT_EQ(run_with({"help", "infer"}).out, run_with({"infer", "--help"}).out);
}

TEST(App, WithoutACommandSaysHowToUseItAndFails) {
  const Said said = run_with({});
  EXPECT_EQ(said.code, 2);
  EXPECT_EQ(said.out, "");
  EXPECT_THAT(said.err, HasSubstr("Usage: changepilot COMMAND"));
}

TEST(App, UnknownCommandGetsAHint) {
  const Said said = run_with({"infr"});
  EXPECT_EQ(said.code, 2);
  EXPECT_EQ(said.err, "changepilot: command line: unknown command \"infr\". Did you mean \"infer\"?\n");
  EXPECT_EQ(run_with({"trian"}).err, "changepilot: command line: unknown command \"trian\". Did you mean \"train\"?\n");
  EXPECT_THAT(run_with({"xyzzyx"}).err, HasSubstr("changepilot --help lists the commands"));
}

TEST(App, EveryKindOfFailureHasItsExitCode) {
  const auto code_of = [](const std::function<void()>& fail) {
    ::testing::internal::CaptureStderr();
    const int code = run_guarded([&] { return fail(), 0; });
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::StartsWith(code == 0 ? "" : "changepilot: "));
    return code;
  };
  EXPECT_EQ(code_of([] {}), 0);
  EXPECT_EQ(code_of([] { throw UserError(ErrorKind::numeric, "loss", "is not finite.", ""); }), 6);
  EXPECT_EQ(code_of([] { throw std::bad_alloc(); }), 7);
  EXPECT_EQ(code_of([] { CP_CHECK(false, "planted"); }), 70);
  EXPECT_EQ(code_of([] { throw std::runtime_error("from a library"); }), 70);
}

TEST(Paths, DefaultModelIsFoundUpwardInstalledOrNamed) {
  const fs::path root = test::fresh_folder("paths");
  make_model(root / "source/models/nano");
  fs::create_directories(root / "source/build/release");
  make_model(root / "usr/share/changepilot/models/nano");
  fs::create_directories(root / "usr/bin");
  fs::create_directories(root / "empty/bin");
  ::unsetenv("CHANGEPILOT_MODEL");
  EXPECT_EQ(default_model_folder(root / "source/build/release"), root / "source/models/nano");
  EXPECT_EQ(default_model_folder(root / "usr/bin"), root / "usr/share/changepilot/models/nano");
  EXPECT_TRUE(throws_user_error([&] { default_model_folder(root / "empty/bin"); }, ErrorKind::model,
                                {"--model", "CHANGEPILOT_MODEL"}));
  ::setenv("CHANGEPILOT_MODEL", "/some/model", 1);
  EXPECT_EQ(default_model_folder(root / "source/build/release"), "/some/model");
  ::unsetenv("CHANGEPILOT_MODEL");
}

TEST(Paths, CheckpointMeansItsModel) {
  const fs::path run = test::fresh_folder("run");
  const fs::path all = run / "checkpoints";
  make_model(all / "000500/model");
  EXPECT_EQ(checkpoint_model_folder(all / "000500"), all / "000500/model");
  EXPECT_TRUE(
      throws_user_error([&] { checkpoint_model_folder(run); }, ErrorKind::model, {run.c_str(), "checkpoints/last"}));
  make_model(all / "000250/model");
  fs::create_symlink("000250", all / "best");
  EXPECT_EQ(checkpoint_model_folder(run), all / "best/model");
  EXPECT_EQ(checkpoint_model_folder(all / "best"), all / "best/model");
  fs::create_symlink("000500", all / "last");
  EXPECT_EQ(checkpoint_model_folder(run), all / "last/model") << "the best one was chosen on validation pairs";
  EXPECT_EQ(checkpoint_model_folder(all), all / "last/model");
  EXPECT_TRUE(throws_user_error([&] { checkpoint_model_folder(all / "000250/model"); }, ErrorKind::model,
                                {"name it with --model"}));
  EXPECT_TRUE(throws_user_error([&] { checkpoint_model_folder(run / "x"); }, ErrorKind::model, {"no such folder"}));
}

}  // namespace
}  // namespace cp
