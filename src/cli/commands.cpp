#include "cli/commands.h"

#include "cli/infer.h"

namespace cp {

// A new command: write run_NAME in cli/NAME.h and add its line here.
std::span<const Command> commands() {
  static const std::vector<Command> table = {
      {"infer", "answers on one pair of images: caption, action, region, picture", run_infer},
  };
  return table;
}

}  // namespace cp
