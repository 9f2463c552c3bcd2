#include "cli/validate.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "cli/parse.h"
#include "cli/paths.h"
#include "core/error.h"
#include "core/progress.h"
#include "data/components.h"
#include "data/levir.h"
#include "image/read.h"
#include "metrics/evaluate.h"
#include "metrics/map.h"
#include "runtime/session.h"

namespace cp {
namespace {

struct ValidateOptions {
  std::string model, checkpoint, data, split = "val", target = "largest", instruction;
  int num_workers = 0, num_samples = 0;
  std::uint64_t seed = 0;
  bool json = false;
};

bool parse_arguments(const std::vector<std::string>& args, ValidateOptions& o) {
  CommandLine line("validate", "Scores a model on a split of a data set, each score beside its blind floor.");
  line.option("data", o.data, "folder in LEVIR-CC layout, masks included", CommandLine::Need::required);
  line.option("split", o.split, "train, val or test");
  line.option("model", o.model, "model folder; models/nano if empty");
  line.option("checkpoint", o.checkpoint, "checkpoint or run folder to take the model from (instead of --model)");
  line.option("instruction", o.instruction, "instruction for every pair; the model's own if empty");
  line.option("target", o.target, "what MSE and MAE measure against: largest, union or centroid");
  line.option("num_samples", o.num_samples, "samples that the action head draws; 0: the model's own number");
  line.option("seed", o.seed, "seed of the action head's noise");
  line.option("num_workers", o.num_workers, "threads; 0: all cores");
  line.flag("json", o.json, "print JSON");
  return line.parse(args);
}

struct Results {
  std::vector<Truth> truths;
  std::vector<Predicted> answers;  // the model's answers
  std::vector<Predicted> peaks;    // the same pairs, the point replaced by the change map's largest component
  MapIou iou;
  int region_hits = 0, regions = 0;
  double region_share = 0;
};

bool in_region(const Region& region, Point p, int side) {
  const int cell = static_cast<int>(p.y * side) * side + static_cast<int>(p.x * side);
  return std::find(region.cells.begin(), region.cells.end(), cell) != region.cells.end();
}

void answer_pair(const Session& session, const PairRecord& record, const ValidateOptions& o, Target target,
                 std::size_t slot, std::mutex& lock, Results& results) {
  AnswerOptions how;
  how.instruction = o.instruction;
  how.num_samples = o.num_samples;
  how.seed = o.seed;
  const Answer answer = session.answer(read_rgb(record.before), read_rgb(record.after), how);
  Truth truth{
      record.name, record.changeflag, record.captions, record.label.empty() ? Image() : read_mask(record.label), {}};
  truth.components = find_components(truth.mask);
  Predicted predicted{record.name,     answer.caption,  answer.action.x,
                      answer.action.y, answer.action.a, answer.action.p_zoom};
  Predicted peak = predicted;
  if (const std::vector<Change> changes = find_changes(answer.map); !changes.empty())
    peak.x = changes.front().x, peak.y = changes.front().y;
  const ActionTarget wanted = make_action_target(truth.mask, truth.components, target, truth.changeflag);

  const std::lock_guard hold(lock);
  if (truth.mask.width > 0) results.iou.add(answer.map, Fusion::kMapSide, Fusion::kMapSide, truth.mask);
  if (wanted.has_point && truth.changeflag) {
    ++results.regions;
    results.region_hits += in_region(answer.region, {wanted.x, wanted.y}, Fusion::kMapSide);
    results.region_share += answer.region.share;
  }
  results.truths[slot] = std::move(truth);
  results.answers[slot] = std::move(predicted);
  results.peaks[slot] = std::move(peak);
}

Results answer_all(const Session& session, const std::vector<PairRecord>& pairs, const ValidateOptions& o,
                   Target target) {
  Results results;
  results.truths.resize(pairs.size());
  results.answers.resize(pairs.size());
  results.peaks.resize(pairs.size());
  Progress progress("validate", pairs.size(), "pairs");
  std::mutex lock, progress_lock;
  std::exception_ptr failed;
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < pairs.size(); i = next++) {
      try {
        answer_pair(session, pairs[i], o, target, i, lock, results);
        const std::lock_guard hold(progress_lock);
        progress.advance();
      } catch (...) {
        const std::lock_guard hold(progress_lock);
        if (!failed) failed = std::current_exception();
        next = pairs.size();
      }
    }
  };
  const unsigned count =
      o.num_workers > 0 ? static_cast<unsigned>(o.num_workers) : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> workers;
  for (unsigned t = 1; t < count; ++t) workers.emplace_back(work);
  work();
  for (std::thread& worker : workers) worker.join();
  if (failed) std::rethrow_exception(failed);
  progress.finish();
  return results;
}

}  // namespace

int run_validate(const std::vector<std::string>& args) {
  ValidateOptions o;
  if (!parse_arguments(args, o)) return 0;
  const Target target = parse_target(o.target);
  const std::vector<PairRecord> pairs = pairs_of_split(read_levir(o.data), o.split);
  if (pairs.empty())
    throw UserError(ErrorKind::data, o.data, fmt::format("no pairs in split \"{}\".", o.split),
                    "`changepilot dataset check` lists the splits.");
  const Session session = Session::open(chosen_model_folder(o.model, o.checkpoint));
  const Results results = answer_all(session, pairs, o, target);

  Json report = evaluate(results.truths, results.answers, target);
  const Json peak = evaluate(results.truths, results.peaks, target);
  report["map"] = {{"iou", results.iou.value()}, {"peak", peak.at("action")}};
  const double n = std::max(1, results.regions);
  report["region"] = {{"level", session.manifest().region.level},
                      {"n", results.regions},
                      {"coverage", results.region_hits / n},
                      {"mean_share", results.region_share / n}};
  if (o.json) {
    fmt::print("{}\n", report.dump(2));
    return 0;
  }
  fmt::print("{}", evaluation_table(report));
  const auto& p = report.at("map").at("peak");
  fmt::print("\nchange map: IoU {:.3f}; its peak: on mask {:.3f}, largest box {:.3f}, union box {:.3f}, MSE {:.4f}\n",
             results.iou.value(), p.at("sr_mask").get<double>(), p.at("sr_largest").get<double>(),
             p.at("sr_union").get<double>(), p.at("mse").get<double>());
  fmt::print("region at {:.0f} %: holds the target in {:.1f} % of {} pairs, {:.1f} % of the image on average\n",
             100 * session.manifest().region.level, 100 * results.region_hits / n, results.regions,
             100 * results.region_share / n);
  return 0;
}

}  // namespace cp
