#include "cli/commands.h"

#include "cli/ablate.h"
#include "cli/bench.h"
#include "cli/dataset.h"
#include "cli/infer.h"
#include "cli/model.h"
#include "cli/report.h"
#include "cli/score.h"
#include "cli/synth.h"
#include "cli/tokenizer.h"
#include "cli/validate.h"

namespace cp {

// A new command: write run_NAME in cli/NAME.h and add its line here.
std::span<const Command> commands() {
  static const std::vector<Command> table = {
      {"infer", "answers on one pair of images: caption, action, region, picture", run_infer},
      {"ablate", "trains and validates a matrix of variants of a model, and makes tables",
       [](const std::vector<std::string>& args) { return run_ablate(args); }},
      {"bench", "times a model's parts on this machine, beside what the machine can do at most", run_bench},
      {"dataset", "checks, builds and converts data sets in LEVIR-CC layout", run_dataset},
      {"model", "assembles, checks, quantises and tries models", run_model},
      {"report", "makes a page about validations and training runs, exports their numbers", run_report},
      {"synth", "makes a data set of synthetic scene pairs", run_synth},
      {"tokenizer", "trains a vocabulary, shows how a text is cut into tokens", run_tokenizer},
      {"score", "scores a file of captions against references", run_score},
      {"validate", "scores a model on a split of a data set", run_validate},
  };
  return table;
}

}  // namespace cp
