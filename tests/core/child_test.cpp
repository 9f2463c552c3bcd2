// Child processes, locks on folders, the last line of a log.
#include "core/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/file.h"
#include "core/folder_lock.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::throws_user_error;

struct Child : ::testing::Test {
  const fs::path folder = test::fresh_folder("child");
  const fs::path log = folder / "log";

  int shell(const std::string& script) const { return run_child({"/bin/sh", "-c", script}, log); }
  std::string said() const { return read_file(log, 1 << 20, ErrorKind::data); }
  std::string last(const std::string& text) const {
    write_file_durable(log, text);
    return last_line(log);
  }
};

TEST_F(Child, GivesTheExitCodeAndKeepsBothOutputs) {
  EXPECT_EQ(shell("echo out; echo err >&2; read x || echo nothing to read; exit 3"), 3);
  EXPECT_EQ(said(), "out\nerr\nnothing to read\n");
  EXPECT_EQ(shell("exit 0"), 0);
  EXPECT_EQ(said(), "") << "the log is replaced";
  EXPECT_EQ(shell("kill -9 $$"), 128 + SIGKILL);
}

TEST_F(Child, ThatCannotStartSaysWhy) {
  EXPECT_EQ(run_child({(folder / "none").string(), "x"}, log), 127);
  EXPECT_NE(said().find("cannot run"), std::string::npos) << said();
}

TEST_F(Child, GetsTheSignalsOfItsParentOnce) {
  const pid_t parent = ::fork();
  if (parent == 0) {
    const SignalsPassedOn signals;
    const int code =
        shell("trap 'echo told; n=1$n' INT; echo ready; while [ -z \"$n\" ]; do sleep .05; done; sleep .2; exit 5");
    ::_exit(code == 5 && SignalsPassedOn::received() == SIGINT && shell("echo more") == 128 + SIGINT ? 0 : 1);
  }
  for (int i = 0; i < 600 && last_line(log) != "ready"; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(parent, SIGINT);
  int status = 0;
  ::waitpid(parent, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "the signal does not end the parent";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(said(), "ready\ntold\n") << "and no child is started after it";
}

TEST_F(Child, SignalsDoAsBeforeAfterwards) {
  { const SignalsPassedOn signals; }
  const pid_t child = ::fork();
  if (child == 0) {
    { const SignalsPassedOn signals; }
    ::raise(SIGTERM);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(Child, LastLineIsTheOneThatSaysSomething) {
  EXPECT_EQ(last("one\ntwo\n\n  \n"), "two");
  EXPECT_EQ(last("10 %\r20 %\r"), "20 %") << "a progress line";
  EXPECT_EQ(last("\033[Kred\a\n"), "[Kred");
  EXPECT_EQ(last(""), "");
  EXPECT_EQ(last("\n\n"), "");
  EXPECT_EQ(last(std::string(100000, 'x')).size(), 300u);
  std::string accents;
  for (int i = 0; i < 200; ++i) accents += "\xc3\xa9";
  EXPECT_EQ(last("x" + accents).size(), 299u) << "no half character";
  EXPECT_EQ(last_line(folder / "none"), "");
}

TEST_F(Child, ShellLineReadsBackAsTheWords) {
  const std::vector<std::string> words{"/bin/x", "a b", "it's", "", "$HOME", "k=v", "--n", "*"};
  const std::string line = shell_line(words);
  EXPECT_EQ(line, "/bin/x 'a b' 'it'\\''s' '' '$HOME' k=v --n '*'");
  ASSERT_EQ(shell("printf '<%s>' " + line), 0);
  EXPECT_EQ(said(), "</bin/x><a b><it's><><$HOME><k=v><--n><*>");
}

TEST_F(Child, AFolderHasOneHolder) {
  {
    const FolderLock lock(folder / "new/deep", "lock");
    EXPECT_TRUE(throws_user_error([&] { FolderLock(folder / "new/deep", "lock"); }, ErrorKind::write,
                                  {"is at work here", std::to_string(::getpid()).c_str()}));
  }
  { const FolderLock again(folder / "new/deep", "lock"); }
  EXPECT_TRUE(throws_user_error([&] { FolderLock("/proc/none", "lock"); }, ErrorKind::write, {"/proc/none"}));
}

// A killed parent leaves a child that still writes: the folder is not free yet.
TEST_F(Child, TheLockLivesAsLongAsTheChildren) {
  const pid_t parent = ::fork();
  if (parent == 0) {
    const FolderLock lock(folder, "lock");
    shell("echo $$; exec sleep 30");
    ::_exit(0);
  }
  for (int i = 0; i < 600 && last_line(log).empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ::kill(parent, SIGKILL);
  int status = 0;
  ::waitpid(parent, &status, 0);
  EXPECT_TRUE(throws_user_error([&] { FolderLock(folder, "lock"); }, ErrorKind::write, {"is at work here"}));
  ASSERT_EQ(::kill(std::stoi(last_line(log)), SIGKILL), 0);
  bool free = false;
  for (int i = 0; i < 600 && !free; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    try {
      const FolderLock lock(folder, "lock");
      free = true;
    } catch (const UserError&) {
    }
  }
  EXPECT_TRUE(free);
}

}  // namespace
}  // namespace cp
