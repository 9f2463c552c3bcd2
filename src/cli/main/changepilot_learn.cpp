// changepilot-learn: what needs LibTorch. `changepilot train ...` hands over to it.
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/parse.h"
#include "core/error.h"
#include "core/options.h"
#include "learn/allocator.h"
#include "learn/train.h"
#include "report/live.h"

namespace cp {
namespace {

// Which design is trained decides which options there are: `--design NAME`, `design=NAME`, else the config file's.
std::string chosen_design(const std::vector<std::string>& args) {
  std::string config, design;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const auto value_of = [&](const std::string& name, std::string& value) {
      if (args[i] == "--" + name && i + 1 < args.size()) value = args[i + 1];
      for (const std::string& form : {"--" + name + "=", name + "="})
        if (args[i].starts_with(form)) value = args[i].substr(form.size());
    };
    value_of("config", config);
    value_of("design", design);
  }
  if (design.empty() && !config.empty()) design = yaml_value_of(config, "design");
  if (design.empty()) design = "nano";
  want_choice("design", design, {"nano", "published"});
  return design;
}

int plan_memory(const PublishedConfig& config, bool json) { return print_memory_plan(config, json); }
int plan_memory(const TrainConfig&, bool) {
  throw UserError(ErrorKind::usage, "--dry-run", "only the published design has a memory plan.",
                  "Use it with design=published.");
}

template <class Config>
int run_train(const std::vector<std::string>& args, const std::string& stages) {
  Config config;
  TrainRequest request;
  std::string config_path;
  int epochs = 0, batch_size = 0, stop_after = 0;
  double learning_rate = 0;
  bool dry_run = false, json = false;
  CommandLine line("train", "Trains a model in two phases: 1 captions (" + stages + "), 2 the action head.");
  line.config(config_path);
  line.options(config);
  line.option("phase", request.phase, "1, 2, or 0 for both");
  line.flag("resume", request.resume, "continue the newest checkpoint of the run folder");
  line.option("stop_after", stop_after, "save and stop after this many updates; 0 = never");
  line.option("num_epochs", epochs, "epochs of the caption stage (phase 1) and of the head (phase 2)");
  line.option("batch_size", batch_size, "batch size of the same stages");
  line.option("learning_rate", learning_rate, "peak learning rate of the same stages");
  line.flag("dry_run", dry_run, "print what memory each stage will take, and train nothing");
  line.flag("json", json, "print the table of --dry-run as JSON");
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
  if (json && !dry_run) throw UserError(ErrorKind::usage, "--json", "goes with --dry-run.", "");
  if (dry_run) return plan_memory(config, json);
  LiveReport live;  // report.html and the event file of the run folder
  request.logged = [&live](const std::filesystem::path& run, const OrderedJson& json_line) {
    live.logged(run, json_line);
  };
  return run_training(config, request);
}

int run_train(const std::vector<std::string>& args) {
  if (chosen_design(args) == "published") return run_train<PublishedConfig>(args, "caption");
  return run_train<TrainConfig>(args, "text, map, caption");
}

}  // namespace
}  // namespace cp

int main(int argc, char** argv) {
  return cp::run_guarded([&] {
    cp::tune_allocator();
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (!args.empty() && args[0] == "train") return cp::run_train({args.begin() + 1, args.end()});
    throw cp::UserError(cp::ErrorKind::usage, "changepilot-learn", "wanted the command \"train\".",
                        "Run `changepilot train --help`.");
  });
}
