#pragma once
// In:  nothing.
// Out: the table of commands that `changepilot` runs itself, in the order in which --help lists them.
// Not here: train, which app.cpp hands over to changepilot-learn.

#include <span>
#include <string>
#include <vector>

namespace cp {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const std::vector<std::string>& args);  // returns the exit code; mistakes are thrown
};

std::span<const Command> commands();

}  // namespace cp
