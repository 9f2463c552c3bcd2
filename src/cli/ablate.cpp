#include "cli/ablate.h"

#include <fmt/format.h>

#include "cli/parse.h"
#include "cli/paths.h"
#include "core/error.h"
#include "core/options.h"
#include "report/ablation_files.h"
#include "report/ablation_run.h"
#include "report/answer_json.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

struct AblateArguments {
  std::string config, out, language = "en";
  std::vector<std::string> only, overrides;
  bool json = false, dry_run = false;
};

bool parse_ablate(const std::vector<std::string>& args, AblateArguments& o) {
  CommandLine line("ablate", "Trains and validates every cell of a matrix of variants, and makes tables of them.");
  line.option("config", o.config, "YAML file with the tables and cells", CommandLine::Need::required);
  line.option("out", o.out, "folder of the cells and tables (instead of the file's)");
  line.option("only", o.only, "names of the tables to run and print: a,b");
  line.option("lang", o.language, "language of report.html: en or zh");
  line.flag("dry_run", o.dry_run, "list the cells and the commands that would run, and run nothing");
  line.flag("json", o.json, "print JSON: what ablation.json holds");
  line.rest("key=value", o.overrides, "values that win over the file's: seeds=0,1 data=levir train=views=4");
  line.epilogue(
      "Example:\n  changepilot ablate --config configs/ablation.yaml --only heads seeds=0,1,2\n\n"
      "A cell that is done is not run again. Exit codes: 0 done, 8 some cells failed, 128 + n stopped by signal n.");
  if (!line.parse(args)) return false;
  want_choice("--lang", o.language, {"en", "zh"});
  if (!o.out.empty()) o.overrides.push_back("out=" + o.out);
  return true;
}

std::set<std::string> chosen_tables(const AblationConfig& config, const std::vector<std::string>& only) {
  std::vector<std::string> known;
  for (const AblationTable& table : config.tables) known.push_back(table.name);
  for (const std::string& name : only) want_choice("--only", name, known);
  return {only.begin(), only.end()};
}

}  // namespace

int run_ablate(const std::vector<std::string>& args) {
  std::error_code failed;
  const fs::path self = fs::read_symlink("/proc/self/exe", failed);
  return run_ablate(args, failed ? executable_folder() / "changepilot" : self);
}

int run_ablate(const std::vector<std::string>& args, const fs::path& program) {
  AblateArguments o;
  if (!parse_ablate(args, o)) return 0;
  const AblationConfig config = read_ablation(o.config, o.overrides);
  const std::set<std::string> tables = chosen_tables(config, o.only);
  const AblationProgram how{program, CP_VERSION, [](const fs::path& run) { return checkpoint_model_folder(run); },
                            [](const std::string& text) { fmt::print(stderr, "{}\n", text); }};
  const std::vector<AblationTask> tasks = plan_ablation(config, how);
  if (o.dry_run) {
    fmt::print("{}", dry_run_text(config, tasks, tables));
    return 0;
  }
  const int code = run_ablation(config, how, tasks, tables);
  const AblationResults results = read_ablation_results(config, how, tasks);
  write_ablation_files(results, config.options.out, o.language == "zh");
  fmt::print("{}", o.json ? dump_json(ablation_json(results, tables), 2) + "\n" : ablation_text(results, tables));
  if (!o.json) fmt::print("\nwritten: {}\n", (fs::path(config.options.out) / "report.html").string());
  if (code > 128) fmt::print(stderr, "stopped; the same command goes on\n");
  return code;
}

}  // namespace cp
