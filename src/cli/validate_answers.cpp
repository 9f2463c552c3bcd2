#include "cli/validate_answers.h"

#include <chrono>
#include <mutex>

#include "core/parallel.h"
#include "core/progress.h"
#include "image/read.h"
#include "image/write.h"
#include "report/overlay.h"
#include "report/validation_files.h"

namespace cp {
namespace {

Truth truth_of(const PairRecord& record) {
  Truth truth{
      record.name, record.changeflag, record.captions, record.label.empty() ? Image() : read_mask(record.label), {}};
  truth.components = find_components(truth.mask);
  return truth;
}

Predicted predicted_of(const Answer& answer, const Truth& truth, Target target, bool has_map) {
  Predicted p{truth.name, answer.caption, answer.action.x, answer.action.y, answer.action.a, answer.action.p_zoom};
  for (std::size_t i = 0; !answer.modes.empty() && i + 2 < answer.samples.size(); i += 3)
    p.samples.push_back({(answer.samples[i] + 1) / 2.0, (answer.samples[i + 1] + 1) / 2.0});
  const ActionTarget wanted = make_action_target(truth.mask, truth.components, target, truth.changeflag);
  const int before = cells_before(answer.weights, {wanted.x, wanted.y});
  for (const Answer::RegionLevel& level : answer.levels)
    p.regions.push_back({level.level, level.share, wanted.has_point && before < level.cells});
  p.abstained = answer.abstained;
  p.held_back = answer.changed && !answer.abstained.empty();
  // Judged whatever was called unchanged, as the point is.
  if (!answer.modes.empty())
    for (const Change& change : rank_changes(answer.modes, answer.samples, answer.map))
      p.changes.push_back({change.x, change.y});
  if (!has_map) return p;
  const std::vector<Change> changes = find_changes(answer.map);
  p.peak = changes.empty() ? Point{p.x, p.y} : Point{changes.front().x, changes.front().y};
  if (truth.mask.width > 0) p.map.emplace().add(answer.map, Fusion::kMapSide, Fusion::kMapSide, truth.mask);
  return p;
}

}  // namespace

ValidateAnswers answer_pairs(const Session& session, const std::vector<PairRecord>& pairs, Target target,
                             const ValidateHow& how) {
  const bool has_map = session.manifest().fusion.map_size > 0;
  ValidateAnswers results;
  results.truths.resize(pairs.size());
  results.answers.resize(pairs.size());
  results.predictions.resize(pairs.size());
  // Each pair has its own slot: threads share nothing but the counter.
  const auto answer_pair = [&](std::size_t i) {
    const Image before = read_rgb(pairs[i].before), after = read_rgb(pairs[i].after);
    Answer& answer = results.answers[i];
    answer = session.answer(before, after, how.ask);
    results.truths[i] = truth_of(pairs[i]);
    results.predictions[i] = predicted_of(answer, results.truths[i], target, has_map);
    if (!how.visualize.empty())
      write_png(how.visualize / overlay_file(pairs[i].name), draw_overlay(before, after, answer));
    answer.concepts = {};
    answer.region.cells = {};
    answer.weights = {};
    answer.modes = {};
    if (!how.keep_maps) answer.map = {};
  };

  const auto start = std::chrono::steady_clock::now();
  Progress progress("validate", pairs.size(), "pairs");
  std::mutex lock;
  for_each_index(pairs.size(), how.threads, [&](std::size_t i) {
    answer_pair(i);
    const std::lock_guard hold(lock);
    progress.advance();
  });
  progress.finish();
  results.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return results;
}

}  // namespace cp
