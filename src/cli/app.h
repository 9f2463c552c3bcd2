#pragma once
// In:  argc and argv.
// Out: the exit code; results on stdout, one line about a mistake on stderr.
// Not here: what the commands do (one file each, listed in commands.cpp).

#include <functional>
#include <string>
#include <vector>

namespace cp {

// Runs one command. 0 when it went well, else an exit code of docs/errors.md: the kind of the UserError, 7 when memory
// runs out, 70 for a bug.
int run(int argc, char** argv);

// Calls `work`, prints what it throws, and gives the exit code. What both programs' main() are made of.
int run_guarded(const std::function<int()>& work);

// Runs the sibling program `changepilot-learn` in place of this one: the one beside the executable, else the one on the
// PATH. Returns only by throwing UserError(usage) when there is none.
[[noreturn]] void hand_over_to_learn(const std::string& command, const std::vector<std::string>& args);

}  // namespace cp
