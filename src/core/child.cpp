#include "core/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "core/error.h"
#include "core/file.h"

extern char** environ;

namespace cp {
namespace {

constexpr int kPassed[] = {SIGINT, SIGTERM, SIGHUP};
constexpr std::streamoff kTail = 8192;
constexpr std::size_t kMostLine = 300;

std::atomic<int> g_signal{0};
std::atomic<pid_t> g_child{0};
struct sigaction g_before[std::size(kPassed)];

static_assert(std::atomic<int>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free);

// The child leads a group of its own, so that a signal from the terminal reaches it once, through here.
extern "C" void pass_on(int number) {
  const int error = errno;
  g_signal = number;
  if (const pid_t child = g_child; child > 0) ::kill(-child, number);
  errno = error;
}

class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : kPassed) ::sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~BlockedSignals() { end(); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  void end() const { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_;
};

class SpawnActions {
 public:
  SpawnActions(const std::filesystem::path& log, const sigset_t& mask) {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setsigmask(&attributes, &mask);
  }
  ~SpawnActions() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace

SignalsPassedOn::SignalsPassedOn() {
  g_signal = 0;
  for (std::size_t i = 0; i < std::size(kPassed); ++i) {
    struct sigaction action {};
    action.sa_handler = pass_on;
    action.sa_flags = SA_RESTART;
    ::sigaction(kPassed[i], nullptr, &g_before[i]);
    if (g_before[i].sa_handler != SIG_IGN) ::sigaction(kPassed[i], &action, nullptr);  // nohup stays nohup
  }
}

SignalsPassedOn::~SignalsPassedOn() {
  g_signal = 0;
  for (std::size_t i = 0; i < std::size(kPassed); ++i) ::sigaction(kPassed[i], &g_before[i], nullptr);
}

int SignalsPassedOn::received() { return g_signal; }

int run_child(const std::vector<std::string>& words, const std::filesystem::path& log) {
  CP_CHECK(!words.empty(), "no command to run");
  std::vector<std::string> own = words;
  std::vector<char*> argv;
  for (std::string& word : own) argv.push_back(word.data());
  argv.push_back(nullptr);
  const BlockedSignals blocked;  // until the handler knows the child
  if (g_signal != 0) return 128 + g_signal;
  const SpawnActions spawn(log, blocked.before());
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, words[0].c_str(), &spawn.actions, &spawn.attributes, argv.data(), environ);
  if (failed != 0) {
    write_file_durable(log, fmt::format("cannot run {} ({}).\n", words[0], std::strerror(failed)));
    return 127;
  }
  g_child = child;
  blocked.end();
  // The child stays a zombie until its number is forgotten, so that a late signal meets no other process.
  siginfo_t ended{};
  while (::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) != 0 && errno == EINTR) continue;
  g_child = 0;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string last_line(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  if (!stream) return "";
  const std::streamoff size = stream.tellg();
  std::string tail(static_cast<std::size_t>(std::clamp<std::streamoff>(size, 0, kTail)), '\0');
  stream.seekg(std::max<std::streamoff>(0, size - kTail));
  stream.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  tail.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, stream.gcount())));
  const std::size_t end = tail.find_last_not_of(" \t\r\n");
  if (end == tail.npos) return "";
  tail.resize(end + 1);
  const std::size_t start = tail.find_last_of("\r\n");
  std::string line = start == tail.npos ? tail : tail.substr(start + 1);
  std::erase_if(line, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (line.size() > kMostLine) {
    line.resize(kMostLine);
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) line.pop_back();
    if (!line.empty() && static_cast<unsigned char>(line.back()) >= 0xc0) line.pop_back();
  }
  return line;
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
      return std::isalnum(c) || std::string_view("_-./=,:+@%").find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (plain) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) c == '\'' ? line.append("'\\''") : line.append(1, c);
    line += '\'';
  }
  return line;
}

}  // namespace cp
