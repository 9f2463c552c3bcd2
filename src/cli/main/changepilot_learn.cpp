// changepilot-learn: what needs LibTorch. `changepilot train ...` hands over to it.
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/parse.h"
#include "core/error.h"
#include "learn/train.h"

namespace cp {
namespace {

int run_train(const std::vector<std::string>& args) {
  TrainConfig config;
  TrainRequest request;
  std::string config_path;
  int epochs = 0, batch_size = 0, stop_after = 0;
  double learning_rate = 0;
  CommandLine line("train", "Trains a model in two phases: 1 captions (text, map, caption), 2 the action head.");
  line.config(config_path);
  line.options(config);
  line.option("phase", request.phase, "1, 2, or 0 for both");
  line.flag("resume", request.resume, "continue the newest checkpoint of the run folder");
  line.option("stop_after", stop_after, "save and stop after this many updates; 0 = never");
  line.option("num_epochs", epochs, "epochs of the caption stage (phase 1) and of the head (phase 2)");
  line.option("batch_size", batch_size, "batch size of the same stages");
  line.option("learning_rate", learning_rate, "peak learning rate of the same stages");
  if (!line.parse(args)) return 0;
  if (request.phase < 0 || request.phase > 2)
    throw UserError(ErrorKind::usage, "--phase", "wanted 1, 2 or 0, found " + std::to_string(request.phase) + ".", "");
  request.stop_after = stop_after;
  const auto apply = [&](StageOptions& stage) {
    if (epochs > 0) stage.epochs = epochs;
    if (batch_size > 0) stage.batch_size = batch_size;
    if (learning_rate > 0) stage.learning_rate = learning_rate;
  };
  if (request.phase != 2) apply(config.caption);
  if (request.phase != 1) apply(config.head);
  return run_training(config, request);
}

}  // namespace
}  // namespace cp

int main(int argc, char** argv) {
  return cp::run_guarded([&] {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (!args.empty() && args[0] == "train") return cp::run_train({args.begin() + 1, args.end()});
    throw cp::UserError(cp::ErrorKind::usage, "changepilot-learn", "wanted the command \"train\".",
                        "Run `changepilot train --help`.");
  });
}
