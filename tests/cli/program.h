#pragma once
// In:  a command line as a user types it.
// Out: what the built program said, and its exit code.
// Not here: the tests. Only for test programs that depend on `changepilot`.

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>

#include <gmock/gmock.h>

#include "core/file.h"
#include "support/test_support.h"

namespace cp::test {

inline const std::filesystem::path kProgram = std::filesystem::path(CP_BINARY_DIR) / "changepilot";

struct Said {
  int code;
  std::string out, err;
};

// Arguments as in a shell, quoting included.
inline Said type(const std::string& arguments, const std::string& before = "") {
  static const std::filesystem::path folder = fresh_folder("said");
  const std::string command = before + " " + kProgram.string() + " " + arguments + " >" + (folder / "out").string() +
                              " 2>" + (folder / "err").string();
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder / "out", 1 << 20, ErrorKind::data),
          read_file(folder / "err", 1 << 20, ErrorKind::data)};
}

struct Mistake {
  std::string arguments;
  int code;
  std::vector<std::string> parts;
};

// Each ends with its exit code, nothing on stdout, and one line on stderr that holds the parts.
inline void expect_mistakes(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    const Said said = type(mistake.arguments);
    EXPECT_EQ(said.code, mistake.code) << mistake.arguments << "\n" << said.err;
    EXPECT_EQ(said.out, "") << mistake.arguments;
    for (const std::string& part : mistake.parts)
      EXPECT_THAT(said.err, ::testing::HasSubstr(part)) << mistake.arguments;
    if (!mistake.arguments.empty()) {
      EXPECT_EQ(std::count(said.err.begin(), said.err.end(), '\n'), 1) << said.err;
      EXPECT_EQ(said.err.rfind("changepilot: ", 0), 0u) << said.err;
    }
  }
}

}  // namespace cp::test
