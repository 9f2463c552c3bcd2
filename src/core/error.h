#pragma once
// In:  what went wrong, where, what was wanted and what to do next.
// Out: UserError (somebody outside this repository can cause it) or BugError (only our own code can).
// Not here: printing and exit(); the program in cli/ does both, once.

#include <stdexcept>
#include <string>

namespace cp {

// Exit codes of the program, documented in docs/errors.md and printed by `changepilot --help`.
enum class ErrorKind : int {
  usage = 2,    // flags, config files, option values
  data = 3,     // images, captions, masks, data sets
  model = 4,    // model folders, weights, tokenizers, checkpoints
  write = 5,    // files that cannot be written (disk full, no permission)
  numeric = 6,  // a loss or an activation that is not finite
  memory = 7,   // out of memory, or a memory limit that would be passed
};

// A mistake that the user can mend. `where` names file, flag or field; `what` says what was wanted and what was found;
// `hint` says what to do. Shown as "where: what. hint".
class UserError : public std::runtime_error {
 public:
  UserError(ErrorKind kind, std::string where, std::string what, std::string hint);

  ErrorKind kind() const { return kind_; }
  const std::string& where() const { return where_; }
  const std::string& hint() const { return hint_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
  std::string where_;
  std::string hint_;
};

// A fault in ChangePilot itself (exit code 70). Raised by CP_CHECK.
class BugError : public std::logic_error {
 public:
  BugError(const char* file, int line, const char* expression, const std::string& detail);
};

inline constexpr int kBugExitCode = 70;

}  // namespace cp

// Stays on in release builds. `detail` is any expression convertible to std::string, evaluated only on failure.
#define CP_CHECK(condition, detail)                                                   \
  do {                                                                                \
    if (!(condition)) throw ::cp::BugError(__FILE__, __LINE__, #condition, (detail)); \
  } while (false)
