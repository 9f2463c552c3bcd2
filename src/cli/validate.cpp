#include "cli/validate.h"

#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "cli/parse.h"
#include "cli/paths.h"
#include "cli/validate_answers.h"
#include "core/error.h"
#include "core/file.h"
#include "core/new_folder.h"
#include "data/pair_captions.h"
#include "image/read.h"
#include "image/write.h"
#include "metrics/evaluation_table.h"
#include "metrics/examples.h"
#include "report/answer_json.h"
#include "report/overlay.h"
#include "report/report.h"
#include "report/validation_files.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

constexpr int kMostThreads = 1024, kMostResamples = 100000;

struct ValidateOptions {
  std::string model, checkpoint, data, out, captions, split = "val", target = "largest", instruction;
  int batch_size = 0, num_workers = 0, num_samples = 0, save_samples = 0, resamples = 1000;
  std::uint64_t seed = 0;
  SessionOptions session;
  bool visualize = false, json = false;
};

void within(const char* name, int value, int most) {
  if (value < 0 || value > most)
    throw UserError(ErrorKind::usage, name, fmt::format("wanted 0 to {}, found {}", most, value), "");
}

bool parse_arguments(const std::vector<std::string>& args, ValidateOptions& o) {
  CommandLine line("validate", "Scores a model on a split of a data set, each score beside its blind floor.");
  line.option("data", o.data, "folder in LEVIR-CC layout, masks included", CommandLine::Need::required);
  line.option("split", o.split, "train, val or test");
  line.option("model", o.model, "model folder; models/nano if empty");
  line.option("checkpoint", o.checkpoint, "checkpoint or run folder to take the model from (instead of --model)");
  line.option("captions", o.captions,
              "other captions to score against, one {split, name, captions} a line, and unchanged.txt beside it");
  line.option("instruction", o.instruction, "instruction for every pair; the model's own if empty");
  line.option("target", o.target, "what errors and regions are measured against: largest, union or centroid");
  line.option("num_samples", o.num_samples, "samples that the action head draws; 0: the model's own number");
  line.option("seed", o.seed, "seed of the action head's noise");
  line.option("sampler", o.session.sampler,
              "ddpm, ddim, dpmpp_2m; of a flow euler, midpoint; the model's own if empty");
  line.option("spacing", o.session.spacing, "how its steps are spread; the model's own if empty");
  line.option("steps", o.session.steps, "its steps; 0: the model's own number");
  line.option("batch_size", o.batch_size, "pairs in flight at once; 0: one a worker");
  line.option("num_workers", o.num_workers, "threads; 0: all cores");
  line.option("resamples", o.resamples, "bootstrap resamples of the pairs, for the intervals; 0: no intervals");
  line.option("out", o.out,
              "new folder for metrics.json, predictions.jsonl, predictions.csv, report.html and overlays/");
  line.flag("visualize", o.visualize, "draw every pair into overlays/ (needs --out)");
  line.option("save_samples", o.save_samples, "draw so many failures and successes, chosen by rule (needs --out)");
  line.flag("json", o.json, "print JSON: what metrics.json holds");
  line.epilogue(
      "Example:\n  changepilot validate --checkpoint runs/nano --data levir --split test --batch-size 8 --num-workers "
      "4 --save-samples 15 --out results/nano");
  if (!line.parse(args)) return false;
  within("--steps", o.session.steps, 1000);
  if (!o.session.sampler.empty())
    want_choice("--sampler", o.session.sampler, {"ddpm", "ddim", "dpmpp_2m", "euler", "midpoint"});
  if (!o.session.spacing.empty())
    want_choice("--spacing", o.session.spacing, {"leading", "trailing", "linspace", "quadratic", "log_snr"});
  within("--batch-size", o.batch_size, kMostThreads);
  within("--num-workers", o.num_workers, kMostThreads);
  within("--resamples", o.resamples, kMostResamples);
  within("--save-samples", o.save_samples, 1 << 30);
  if (o.out.empty() && (o.visualize || o.save_samples > 0))
    throw UserError(ErrorKind::usage, o.visualize ? "--visualize" : "--save-samples",
                    "pictures need a folder to stand in.", "Name one with --out.");
  return true;
}

int thread_count(const ValidateOptions& o) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int workers = o.num_workers > 0 ? o.num_workers : cores;
  return o.batch_size > 0 ? std::min(workers, o.batch_size) : workers;
}

// Pairs that the file has nothing for keep their own.
void replace_captions(std::vector<PairRecord>& pairs, const ValidateOptions& o) {
  const PairCaptions others = PairCaptions::read(o.captions);
  std::size_t replaced = 0;
  for (PairRecord& pair : pairs) {
    const std::vector<std::string>& captions = others.of(pair);
    if (captions.empty()) continue;
    pair.captions = captions;
    ++replaced;
  }
  if (replaced == 0)
    throw UserError(ErrorKind::data, o.captions, fmt::format("names no pair of split \"{}\" of {}.", o.split, o.data),
                    "Its \"split\" and \"name\" must be those of the data set.");
}

// Scored as text, as closed-vocabulary numbers (words of the whole data set), and by characters where a reference is
// Chinese.
std::vector<CaptionSplitter> protocols_for(const LevirIndex& index, const std::vector<PairRecord>& pairs) {
  std::vector<std::string> sentences;
  for (const PairRecord& pair : index.pairs)
    sentences.insert(sentences.end(), pair.captions.begin(), pair.captions.end());
  std::vector<CaptionSplitter> protocols{CaptionSplitter(CaptionProtocol::text),
                                         CaptionSplitter(CaptionProtocol::ids, CaptionVocabulary::count(sentences))};
  const bool chinese = std::any_of(pairs.begin(), pairs.end(), [](const PairRecord& pair) {
    return std::any_of(pair.captions.begin(), pair.captions.end(),
                       [](const std::string& caption) { return detect_language(caption) == "zh"; });
  });
  if (chinese) protocols.emplace_back(CaptionProtocol::char_);
  return protocols;
}

OrderedJson sampler_json(const ModelManifest::Head& head) {
  return {{"kind", head.kind},         {"condition", head.condition},
          {"schedule", head.schedule}, {"train_steps", head.train_steps},
          {"sampler", head.sampler},   {"steps", head.steps},
          {"spacing", head.spacing},   {"snap_sigma", head.snap_sigma}};
}

// Median and ninth decile of each stage, over the pairs.
OrderedJson stage_times(const std::vector<Answer>& answers) {
  OrderedJson json = OrderedJson::object();
  for (const char* stage : {"preprocess", "vision", "fusion", "language", "head", "total"}) {
    std::vector<double> ms;
    for (const Answer& answer : answers)
      if (const auto found = answer.times_ms.find(stage); found != answer.times_ms.end()) ms.push_back(found->second);
    if (!ms.empty()) json[stage] = {{"median", rounded(quantile(ms, 0.5))}, {"p90", rounded(quantile(ms, 0.9))}};
  }
  return json;
}

double peak_memory_mib() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts KiB
}

OrderedJson run_json(const ValidateOptions& o, const fs::path& model, const Session& session,
                     const ValidateAnswers& results) {
  const fs::path data = fs::absolute(o.data).lexically_normal();
  const auto pairs = static_cast<double>(results.answers.size());
  const ModelManifest::Head& head = session.manifest().head;
  OrderedJson run;
  run["model"] = !o.model.empty() ? o.model : !o.checkpoint.empty() ? o.checkpoint : model.string();
  run["model_id"] = sha256_hex_file(model / kManifestFile);
  run["data"] = (data.has_filename() ? data : data.parent_path()).filename().string();
  run["split"] = o.split;
  run["pairs"] = results.answers.size();
  run["seed"] = o.seed;
  run["num_samples"] = o.num_samples > 0 ? o.num_samples : head.samples;
  run["sampler"] = sampler_json(head);
  run["instruction"] = o.instruction;
  if (!o.captions.empty()) run["captions"] = fs::path(o.captions).filename().string();
  run["target"] = o.target;
  run["resamples"] = o.resamples;
  run["threads"] = thread_count(o);
  run["wall_s"] = results.wall_s;
  run["pairs_per_s"] = pairs / std::max(results.wall_s, 1e-9);
  run["peak_memory_mib"] = rounded(peak_memory_mib());
  run["load_ms"] = rounded(results.answers.front().times_ms.at("load"));
  run["times_ms"] = stage_times(results.answers);
  return run;
}

// For people: why a coverage may not be the promised one. Empty where nothing stands in its way.
std::string region_note(const ValidateOptions& o, const Session& session, const ValidateAnswers& results) {
  const std::string& calibrated = session.manifest().region.target;
  std::string note;
  if (o.target != calibrated)
    note += fmt::format("the region is calibrated for the target \"{}\", its coverage is measured for \"{}\"\n",
                        calibrated, o.target);
  if (!results.answers.front().region_calibrated)
    note += "the region is not calibrated for these samples: its levels are no promises\n";
  return note;
}

void write_files(const ValidateOptions& o, const NewFolder& folder, const std::vector<PairRecord>& pairs,
                 const ValidateAnswers& results, const Evaluation& evaluation, const OrderedJson& metrics) {
  std::vector<bool> drawn(pairs.size(), o.visualize);
  if (!o.visualize)
    for (const std::size_t i : choose_examples(results.truths, results.predictions, evaluation.pairs,
                                               static_cast<std::size_t>(o.save_samples))) {
      write_png(folder.path() / overlay_file(pairs[i].name),
                draw_overlay(read_rgb(pairs[i].before), read_rgb(pairs[i].after), results.answers[i]));
      drawn[i] = true;
    }
  std::vector<PairResult> rows;
  std::string lines;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    rows.push_back({pairs[i], results.answers[i], results.predictions[i], evaluation.pairs[i],
                    static_cast<int>(results.truths[i].components.size()),
                    drawn[i] ? overlay_file(pairs[i].name) : ""});
    lines += prediction_line(rows.back(), o.data) + "\n";
  }
  write_file_durable(folder.path() / "predictions.jsonl", lines);
  write_file_durable(folder.path() / "predictions.csv", predictions_csv(rows));
  write_file_durable(folder.path() / "metrics.json", dump_json(metrics, 2) + "\n");
}

}  // namespace

int run_validate(const std::vector<std::string>& args) {
  ValidateOptions o;
  if (!parse_arguments(args, o)) return 0;
  const Target target = parse_target(o.target);
  const LevirIndex index = read_levir(o.data);
  std::vector<PairRecord> pairs = pairs_of_split(index, o.split);
  if (pairs.empty())
    throw UserError(ErrorKind::data, o.data, fmt::format("no pairs in split \"{}\".", o.split),
                    "`changepilot dataset check` lists the splits.");
  if (!o.captions.empty()) replace_captions(pairs, o);
  const fs::path model = chosen_model_folder(o.model, o.checkpoint);
  const Session session = Session::open(model, o.session);

  const std::unique_ptr<NewFolder> folder = o.out.empty() ? nullptr : std::make_unique<NewFolder>(o.out);
  // A folder that cannot be written is told now, not after an hour of answers.
  if (folder) write_file_durable(folder->path() / "predictions.jsonl", "");

  ValidateHow how;
  how.ask.instruction = o.instruction;
  how.ask.num_samples = o.num_samples;
  how.ask.seed = o.seed;
  how.threads = thread_count(o);
  how.keep_maps = o.save_samples > 0 && !o.visualize;
  if (o.visualize) how.visualize = folder->path();
  const ValidateAnswers results = answer_pairs(session, pairs, target, how);

  EvaluateOptions options;
  options.target = target;
  options.bootstrap.resamples = o.resamples;
  options.shipped_level = session.manifest().region.level;
  options.protocols = protocols_for(index, pairs);
  const Evaluation evaluation = evaluate(results.truths, results.predictions, options);

  OrderedJson metrics{{"format", "changepilot-validation"}, {"version", 1}};
  metrics["run"] = run_json(o, model, session, results);
  for (const auto& [key, value] : evaluation.report.items())
    if (key != "pairs") metrics[key] = value;
  if (metrics.contains("region")) {
    metrics["region"]["target"] = session.manifest().region.target;
    metrics["region"]["calibrated"] = results.answers.front().region_calibrated;
  }
  if (folder) {
    write_files(o, *folder, pairs, results, evaluation, metrics);
    write_file_durable(folder->path() / "report.html",
                       validation_page(folder->path(), folder->target().filename().string(), o.data, model));
    folder->publish();
  }
  fmt::print("{}", o.json ? dump_json(metrics, 2) + "\n"
                          : evaluation_table(evaluation.report) + region_note(o, session, results));
  if (folder && !o.json) fmt::print("written: {}\n", folder->target().string());
  return 0;
}

}  // namespace cp
