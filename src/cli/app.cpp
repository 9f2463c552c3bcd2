#include "cli/app.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <new>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/paths.h"
#include "core/error.h"
#include "core/options.h"

namespace cp {
namespace {

constexpr const char* kLearnProgram = "changepilot-learn";

// Commands of changepilot-learn, so that help lists them and slips find them.
constexpr Command kLearnCommands[] = {
    {"train", "trains a model by a config file (changepilot-learn)", nullptr},
};

std::string help_text() {
  std::string text =
      "ChangePilot: what changed between two images of one place, and where to look.\n\n"
      "Usage: changepilot COMMAND [ARGUMENTS]     changepilot COMMAND --help shows a command's "
      "arguments\n\nCommands:\n";
  for (const Command& command : commands()) text += fmt::format("  {:<10} {}\n", command.name, command.summary);
  for (const Command& command : kLearnCommands) text += fmt::format("  {:<10} {}\n", command.name, command.summary);
  text +=
      "  version    prints the version (also --version)\n"
      "  help       prints this, or a command's help\n\n"
      "Exit codes: 0 done, 2 usage, 3 data, 4 model, 5 cannot write, 6 not finite, 7 out of memory, "
      "8 cells of an ablation failed, 70 a bug\n";
  return text;
}

int run_command(const std::string& name, const std::vector<std::string>& args) {
  if (name == "version" || name == "--version" || name == "-V") {
    fmt::print("changepilot {}\n", CP_VERSION);
    return 0;
  }
  if (name == "help" || name == "--help" || name == "-h") {
    if (!args.empty()) return run_command(args[0], {"--help"});
    fmt::print("{}", help_text());
    return 0;
  }
  std::vector<std::string> names{"help", "version"};
  for (const Command& command : commands()) {
    if (name == command.name) return command.run(args);
    names.emplace_back(command.name);
  }
  for (const Command& command : kLearnCommands) {
    if (name == command.name) hand_over_to_learn(name, args);
    names.emplace_back(command.name);
  }
  const std::string near = nearest(name, names);
  throw UserError(ErrorKind::usage, "command line", fmt::format("unknown command \"{}\".", name),
                  near.empty() ? "changepilot --help lists the commands." : fmt::format("Did you mean \"{}\"?", near));
}

// Everything that was printed has reached its file; a full disk behind `> out.json` is no success.
void flush_results() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    throw UserError(ErrorKind::write, "standard output", "cannot be written.", "Free some space, or write elsewhere.");
}

}  // namespace

void hand_over_to_learn(const std::string& command, const std::vector<std::string>& args) {
  const std::string beside = (executable_folder() / kLearnProgram).string();
  std::vector<std::string> words{beside, command};
  words.insert(words.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::fflush(nullptr);
  ::execv(beside.c_str(), argv.data());
  ::execvp(kLearnProgram, argv.data());
  throw UserError(ErrorKind::usage, command,
                  fmt::format("needs the program {}, which is neither in {} nor on the PATH.", kLearnProgram,
                              executable_folder().string()),
                  "Build it with `make learn`.");
}

int run_guarded(const std::function<int()>& work) {
  try {
    const int code = work();
    flush_results();
    return code;
  } catch (const UserError& error) {
    fmt::print(stderr, "changepilot: {}\n", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    std::fputs("changepilot: out of memory. Use a smaller batch or image, or a machine with more memory.\n", stderr);
    return static_cast<int>(ErrorKind::memory);
  } catch (const std::exception& error) {  // a BugError says itself that it is one
    fmt::print(stderr, "changepilot: {}\n", error.what());
    return kBugExitCode;
  }
}

// An answer asks for the same large blocks again and again; glibc would map and unmap each, a page fault for every 4
// KB.
static void keep_freed_memory() {
#if defined(__GLIBC__)
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
  ::mallopt(M_TOP_PAD, 16 << 20);
#endif
}

int run(int argc, char** argv) {
  keep_freed_memory();
  return run_guarded([&] {
    if (argc < 2) {
      std::fputs(help_text().c_str(), stderr);
      return static_cast<int>(ErrorKind::usage);
    }
    return run_command(argv[1], std::vector<std::string>(argv + 2, argv + argc));
  });
}

}  // namespace cp
