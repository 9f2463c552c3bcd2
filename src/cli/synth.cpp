#include "cli/synth.h"

#include <fmt/format.h>

#include "cli/parse.h"
#include "data/synth.h"

namespace cp {

int run_synth(const std::vector<std::string>& args) {
  CommandLine line("synth", "Makes synthetic aerial-like pairs with masks and captions, in LEVIR-CC layout.");
  SynthOptions options;
  line.options(options);
  line.epilogue(
      "The same seed gives the same files on every platform. Example: changepilot synth --out synth --pairs 20 --seed "
      "1");
  if (!line.parse(args)) return 0;
  write_synth_dataset(options);
  fmt::print("{} pairs in {}\n", options.pairs, options.out);
  return 0;
}

}  // namespace cp
