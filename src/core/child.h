#pragma once
// In:  the words of a command.
// Out: its exit code, after it has run with its output in a file; signals to this process reach it too.
// Not here: pipes to and from a child, several children at once.

#include <filesystem>
#include <string>
#include <vector>

namespace cp {

// While one lives, SIGINT, SIGTERM and SIGHUP do not end this process: they are noted and passed on to the child that
// run_child waits for. One at a time.
class SignalsPassedOn {
 public:
  SignalsPassedOn();
  ~SignalsPassedOn();  // as before
  SignalsPassedOn(const SignalsPassedOn&) = delete;
  SignalsPassedOn& operator=(const SignalsPassedOn&) = delete;

  static int received();  // the number of the last one; 0: none since the construction
};

// Runs words[0] (a path) with standard output and error going to `log` (replaced) and nothing to read. Returns its exit
// code, 128 + the number of the signal that ended it, or 127 with the reason in `log` when it cannot be started. After
// a signal to this process (SignalsPassedOn) nothing is started: 128 + its number.
int run_child(const std::vector<std::string>& words, const std::filesystem::path& log);

// The last line of a text file that is not blank, without control characters, at most 300 bytes (it may hold invalid
// UTF-8); empty when there is none.
std::string last_line(const std::filesystem::path& file);

// The words as one line that a shell would read back as them.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace cp
