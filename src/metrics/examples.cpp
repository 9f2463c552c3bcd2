#include "metrics/examples.h"

#include <algorithm>
#include <array>

namespace cp {
namespace {

struct Candidate {
  double rank = 0;  // smaller is taken first
  std::size_t pair = 0;
};

double rank_of(Outcome outcome, const Predicted& predicted, const PairScores& scores) {
  switch (outcome) {
    case Outcome::false_alarm:
      return -predicted.p_zoom;
    case Outcome::off_mask:
      return -scores.point->error_px;
    case Outcome::on_mask:
      return predicted.regions.empty() ? scores.point->error_px : predicted.regions.back().share;
    default:
      return predicted.p_zoom;
  }
}

// First of each list, second of each list, ...
std::vector<std::size_t> in_turn(std::vector<std::vector<Candidate>> lists) {
  std::size_t longest = 0;
  for (auto& list : lists) {
    std::stable_sort(list.begin(), list.end(), [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
    longest = std::max(longest, list.size());
  }
  std::vector<std::size_t> pairs;
  for (std::size_t place = 0; place < longest; ++place)
    for (const auto& list : lists)
      if (place < list.size()) pairs.push_back(list[place].pair);
  return pairs;
}

}  // namespace

Outcome outcome_of(const Truth& truth, const Predicted& predicted, const PairScores& scores) {
  if (scores.contradictory) return Outcome::not_judged;
  const bool changed = truth.changeflag == 1, said = predicted.a == 1;
  if (!changed) return said ? Outcome::false_alarm : Outcome::quiet;
  if (!said) return Outcome::missed;
  if (!scores.point) return Outcome::not_judged;
  return scores.point->hits.mask ? Outcome::on_mask : Outcome::off_mask;
}

std::vector<std::size_t> choose_examples(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions,
                                         const std::vector<PairScores>& scores, std::size_t count) {
  std::array<std::vector<Candidate>, 6> of;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    const Outcome outcome = outcome_of(truths[i], predictions[i], scores[i]);
    of[static_cast<std::size_t>(outcome)].push_back({rank_of(outcome, predictions[i], scores[i]), i});
  }
  const auto list = [&](Outcome outcome) { return of[static_cast<std::size_t>(outcome)]; };
  std::vector<std::size_t> failures =
      in_turn({list(Outcome::missed), list(Outcome::false_alarm), list(Outcome::off_mask)});
  std::vector<std::size_t> successes = in_turn({list(Outcome::on_mask), list(Outcome::quiet)});
  const std::size_t wanted = std::min(count, failures.size() + successes.size());
  std::size_t bad = std::min((wanted + 1) / 2, failures.size());
  const std::size_t good = std::min(wanted - bad, successes.size());
  bad = wanted - good;
  failures.resize(bad);
  successes.resize(good);
  failures.insert(failures.end(), successes.begin(), successes.end());
  std::sort(failures.begin(), failures.end());
  return failures;
}

}  // namespace cp
