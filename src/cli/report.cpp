#include "cli/report.h"

#include <sys/stat.h>

#include <filesystem>

#include <fmt/format.h>

#include "cli/parse.h"
#include "cli/paths.h"
#include "core/file.h"
#include "core/options.h"
#include "report/report.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFolders = 64;

struct ReportOptions {
  std::vector<std::string> paths;
  std::string data, model, out, language = "en", csv, tensorboard;
  bool compare = false;
  int cases = 4, resamples = 1000;
};

bool parse_report(const std::vector<std::string>& args, ReportOptions& o) {
  CommandLine line("report", "Makes one HTML file about validations and training runs, or exports their numbers.");
  line.rest("PATH", o.paths,
            "folders: of `validate --out` (metrics.json) or of `train` (metrics.jsonl); the first validation is shown "
            "in full");
  line.option("data", o.data, "data folder of the validation, for the pictures of the case studies");
  line.option("model", o.model, "model folder, for the architecture and the denoising steps");
  line.option("out", o.out, "HTML file; PATH/report.html if empty");
  line.option("lang", o.language, "en or zh");
  line.flag("compare", o.compare, "paired differences of the other validations from the first");
  line.option("cases", o.cases, "case studies of each kind, 0 to 50");
  line.option("resamples", o.resamples, "resamples of --compare's intervals");
  line.option("csv", o.csv, "CSV file to write all numbers to");
  line.option("tensorboard", o.tensorboard, "folder to write event files of the training runs to");
  line.epilogue("Example:\n  changepilot report runs/nano-0 val-nano-0 --data levir-mini --out report.html");
  if (!line.parse(args)) return false;
  want_choice("--lang", o.language, {"en", "zh"});
  if (o.paths.empty())
    throw UserError(ErrorKind::usage, "report", "wanted at least one folder.",
                    "Give one that `changepilot validate --out` or `changepilot train` wrote.");
  if (o.paths.size() > kMostFolders)
    throw UserError(ErrorKind::usage, "report",
                    fmt::format("wanted at most {} folders, found {}.", kMostFolders, o.paths.size()), "");
  if (o.cases < 0 || o.cases > 50)
    throw UserError(ErrorKind::usage, "--cases", fmt::format("wanted 0 to 50, found {}.", o.cases), "");
  if (o.resamples < 0 || o.resamples > 100000)
    throw UserError(ErrorKind::usage, "--resamples", fmt::format("wanted 0 to 100000, found {}.", o.resamples), "");
  return true;
}

void read_folders(const ReportOptions& o, ReportInput& input) {
  for (const std::string& path : o.paths) {
    const bool validation = holds_validation(path), training = holds_training(path);
    if (!validation && !training)
      throw UserError(ErrorKind::data, path, "holds neither metrics.json nor metrics.jsonl.",
                      "Give a folder that `changepilot validate --out` or `changepilot train` wrote.");
    if (validation) input.validations.push_back(read_validation(path));
    if (training) input.runs.push_back(read_training(path));
  }
}

// --model, else what the validation names if it is still the same model.
std::optional<fs::path> model_folder(const ReportOptions& o, const ReportInput& input) {
  if (!o.model.empty()) return chosen_model_folder(o.model, "");
  if (input.validations.empty()) return std::nullopt;
  const fs::path named = find_text(input.validations[0].metrics, "run.model");
  const std::string id = find_text(input.validations[0].metrics, "run.model_id");
  std::error_code none;
  if (named.empty() || id.empty() || !fs::is_regular_file(named / kManifestFile, none)) return std::nullopt;
  return sha256_hex_file(named / kManifestFile) == id ? std::optional(named) : std::nullopt;
}

void add_cases(const ReportOptions& o, const std::optional<fs::path>& model, ReportInput& input) {
  if (input.validations.empty()) return;
  input.cases = choose_cases(input.validations[0].pairs, static_cast<std::size_t>(o.cases));
  if (o.data.empty()) return;
  if (!fs::is_directory(o.data))
    throw UserError(ErrorKind::data, "--data", fmt::format("\"{}\" is no folder.", o.data),
                    "Give the folder that was validated.");
  load_images(o.data, input.cases);
  if (model && !input.cases.empty())
    input.other_answers = load_steps(Session::open(*model), o.data, input.validations[0].metrics, input.cases);
}

void write_events(const ReportOptions& o, const ReportInput& input) {
  std::size_t k = 0;
  for (const std::string& path : o.paths) {
    if (!holds_training(path)) continue;
    struct stat info {};
    const bool known = ::stat((fs::path(path) / "metrics.jsonl").c_str(), &info) == 0;
    const TrainingLog& run = input.runs[k++];
    write_file_durable(fs::path(o.tensorboard) / run.name / "events.out.tfevents.0.changepilot",
                       tensorboard_events(run, known ? static_cast<double>(info.st_mtime) : 0));
  }
}

}  // namespace

int run_report(const std::vector<std::string>& args) {
  ReportOptions o;
  if (!parse_report(args, o)) return 0;
  ReportInput input;
  input.chinese = o.language == "zh";
  read_folders(o, input);
  if (o.compare && input.validations.size() < 2)
    throw UserError(ErrorKind::usage, "--compare",
                    fmt::format("wanted at least two validations, found {}.", input.validations.size()), "");
  if (!o.tensorboard.empty() && input.runs.empty())
    throw UserError(ErrorKind::usage, "--tensorboard", "wanted a training run (a folder with metrics.jsonl).", "");
  const std::optional<fs::path> model = model_folder(o, input);
  if (model) input.model = read_model_facts(*model);
  add_cases(o, model, input);
  if (o.compare)
    for (std::size_t i = 1; i < input.validations.size(); ++i)
      input.comparisons.push_back(compare(input.validations[0], input.validations[i], {o.resamples, 0}));
  const fs::path out = o.out.empty() ? fs::path(o.paths[0]) / "report.html" : fs::path(o.out);
  write_file_durable(out, report_page(input));
  fmt::print("report   {}\n", out.string());
  if (!o.csv.empty()) {
    write_file_durable(o.csv, metrics_csv(input.validations, input.runs));
    fmt::print("csv      {}\n", o.csv);
  }
  if (!o.tensorboard.empty()) {
    write_events(o, input);
    fmt::print("events   {}\n", o.tensorboard);
  }
  return 0;
}

}  // namespace cp
