#include "metrics/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "core/error.h"
#include "metrics/calibration.h"
#include "metrics/evaluate_abstained.h"
#include "metrics/evaluate_captions.h"
#include "metrics/ratio.h"
#include "metrics/risk.h"
#include "metrics/score_block.h"

namespace cp {
namespace {

constexpr const char* kContradictoryRule =
    "pairs whose mask shows a change although their flag says unchanged; they are left out of action, region and "
    "risk_coverage";

const std::vector<std::string> kFlagKeys{"accuracy", "precision", "recall", "f1", "false_alarms_per_100",
                                         "brier",    "ece"};
const std::vector<std::string> kActionKeys{"sr_mask", "sr_largest",      "sr_union",     "sr_any",      "mse",
                                           "mae",     "median_error_px", "p90_error_px", "energy_score"};
const std::vector<std::string> kTypeKeys{"type_accuracy", "type_accuracy_changed", "type_accuracy_unchanged"};

std::vector<double> flat(const FlagScores& s) {
  return {s.accuracy, s.precision, s.recall, s.f1, s.false_alarms_per_100, s.brier, s.ece};
}
std::vector<double> flat(const ActionScores& s) {
  return {s.sr_mask, s.sr_largest,      s.sr_union,     s.sr_any,      s.mse,
          s.mae,     s.median_error_px, s.p90_error_px, s.energy_score};
}

// Builds one report; its functions add one part each.
class Evaluator {
 public:
  Evaluator(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions, const EvaluateOptions& options)
      : truths_(truths), predictions_(predictions), options_(options) {
    for (const Truth& truth : truths) {
      PairScores& pair = result_.pairs.emplace_back();
      pair.contradictory = flag_against_mask(truth.changeflag, truth.components.empty()) == Agreement::contradicts;
      const ActionTarget wanted = make_action_target(truth.mask, truth.components, options.target, truth.changeflag);
      if (!wanted.has_point) continue;
      judged_.push_back(result_.pairs.size() - 1);
      pair.target = Point{wanted.x, wanted.y};
    }
  }

  Evaluation run() {
    add_contradictory();
    add_captions(result_.report, truths_, predictions_, options_, result_.pairs);
    add_flag();
    add_action();
    add_first_changes();
    add_region();
    add_abstained(result_.report, predictions_, judged_, points_, options_.bootstrap);
    add_risk();
    add_map();
    at_place(result_.report, "blind.sentences") = {{"constant", options_.blind.constant},
                                                   {"changed", options_.blind.changed}};
    return std::move(result_);
  }

 private:
  void add_contradictory() {
    OrderedJson names = OrderedJson::array();
    for (std::size_t i = 0; i < truths_.size(); ++i)
      if (result_.pairs[i].contradictory) names.push_back(truths_[i].name);
    result_.report["pairs"] = truths_.size();
    result_.report["contradictory"] = {{"n", names.size()}, {"names", names}, {"rule", kContradictoryRule}};
  }

  // The floor always says the more frequent class (changed in a tie), and gives each pair the split's share of changed
  // ones as its probability: calibrated, and without skill.
  void add_flag() {
    std::vector<FlagPair> model, blind;
    double changed = 0;
    for (const Truth& truth : truths_) changed += truth.changeflag == 1;
    const double share = truths_.empty() ? 0 : changed / static_cast<double>(truths_.size());
    for (std::size_t i = 0; i < truths_.size(); ++i) {
      model.push_back({truths_[i].changeflag, predictions_[i].flag(), predictions_[i].p_zoom});
      blind.push_back({truths_[i].changeflag, 2 * share >= 1 ? 1 : 0, share});
    }
    for (const char* place : {"flag", "blind.flag"}) at_place(result_.report, place)["n"] = truths_.size();
    add_block(result_.report, truths_.size(), kFlagKeys,
              {{"flag", "", [&](Picks picks) { return flat(flag_scores(model, picks)); }},
               {"blind.flag", "blind", [&](Picks picks) { return flat(flag_scores(blind, picks)); }}},
              options_.bootstrap);
    if (model.empty()) return;
    OrderedJson bins = OrderedJson::array();
    for (const ReliabilityBin& bin : reliability(model, all(model.size()))) {
      bins.push_back({{"from", bin.from}, {"to", bin.to}, {"n", bin.n}});
      if (bin.n > 0) bins.back()["mean_p"] = bin.mean_p, bins.back()["share_changed"] = bin.share_changed;
    }
    result_.report["flag"]["reliability"] = bins;
  }

  // Points of the judged pairs, `point(i)` and `samples(i)` being what is answered on pair i.
  template <class PointOf, class SamplesOf>
  std::vector<PointScore> score_points(const PointOf& point, const SamplesOf& samples) const {
    std::vector<PointScore> scores;
    for (const std::size_t i : judged_)
      scores.push_back(
          score_point(truths_[i].mask, truths_[i].components, point(i), *result_.pairs[i].target, samples(i)));
    return scores;
  }

  void add_action() {
    const std::vector<Point> centre{{0.5, 0.5}};
    points_ = score_points(
        [&](std::size_t i) {
          return Point{predictions_[i].x, predictions_[i].y};
        },
        [&](std::size_t i) { return std::span<const Point>(predictions_[i].samples); });
    blind_points_ = score_points([&](std::size_t) { return centre[0]; },
                                 [&](std::size_t) { return std::span<const Point>(centre); });
    for (std::size_t k = 0; k < judged_.size(); ++k) result_.pairs[judged_[k]].point = points_[k];
    for (const char* place : {"action", "blind.action"}) at_place(result_.report, place)["n"] = judged_.size();
    add_block(result_.report, judged_.size(), kActionKeys,
              {{"action", "", [&](Picks picks) { return flat(action_scores(points_, picks)); }},
               {"blind.action", "blind", [&](Picks picks) { return flat(action_scores(blind_points_, picks)); }}},
              options_.bootstrap);
    add_type();
  }

  void add_type() {
    std::vector<std::size_t> typed;
    for (std::size_t i = 0; i < truths_.size(); ++i)
      if (!result_.pairs[i].contradictory) typed.push_back(i);
    const auto scores = [&](Picks picks, const auto& said) {
      double right[2] = {0, 0}, n[2] = {0, 0};
      for (const std::size_t pick : picks) {
        const std::size_t i = typed[pick];
        const int truth = truths_[i].changeflag == 1 ? 1 : 0;
        n[truth] += 1;
        right[truth] += said(i) == truth;
      }
      return std::vector<double>{ratio(right[0] + right[1], n[0] + n[1]), ratio(right[1], n[1]), ratio(right[0], n[0])};
    };
    for (const char* place : {"action", "blind.action"}) at_place(result_.report, place)["n_type"] = typed.size();
    add_block(
        result_.report, typed.size(), kTypeKeys,
        {{"action", "", [&](Picks picks) { return scores(picks, [&](std::size_t i) { return predictions_[i].a; }); }},
         {"blind.action", "blind", [&](Picks picks) { return scores(picks, [](std::size_t) { return 1; }); }}},
        options_.bootstrap);
  }

  // One of the first three changes is where the largest component is. The floor has its one point to offer.
  void add_first_changes() {
    std::vector<bool> found, blind;
    for (std::size_t k = 0; k < judged_.size(); ++k) {
      const Truth& truth = truths_[judged_[k]];
      const std::vector<Point>& changes = predictions_[judged_[k]].changes;
      found.push_back(std::any_of(changes.begin(), changes.begin() + std::min<std::ptrdiff_t>(3, std::ssize(changes)),
                                  [&](Point p) { return point_hits(truth.mask, truth.components, p).largest; }));
      blind.push_back(blind_points_[k].hits.largest);
    }
    const auto share = [](const std::vector<bool>& hits) {
      return [&hits](Picks picks) {
        double n = 0;
        for (const std::size_t pick : picks) n += hits[pick];
        return std::vector<double>{ratio(n, static_cast<double>(picks.size()))};
      };
    };
    add_block(result_.report, judged_.size(), {"top3_largest"},
              {{"action", "", share(found)}, {"blind.action", "blind", share(blind)}}, options_.bootstrap);
  }

  void add_region() {
    if (judged_.empty() || predictions_[judged_[0]].regions.empty()) return;
    const std::size_t levels = predictions_[judged_[0]].regions.size();
    for (const std::size_t i : judged_)
      CP_CHECK(predictions_[i].regions.size() == levels, "every pair has the same region levels");
    OrderedJson& region = result_.report["region"];
    region["n"] = judged_.size();
    region["shipped_level"] = options_.shipped_level;
    for (std::size_t level = 0; level < levels; ++level) {
      const auto scores = [&](Picks picks) {
        double held = 0, area = 0;
        for (const std::size_t pick : picks) {
          const PairRegion& r = predictions_[judged_[pick]].regions[level];
          held += r.holds;
          area += r.share;
        }
        const auto n = static_cast<double>(picks.size());
        return std::vector<double>{ratio(held, n), ratio(area, n)};
      };
      const std::vector<Estimate> found = bootstrap(judged_.size(), scores, options_.bootstrap);
      const double promised = predictions_[judged_[0]].regions[level].level;
      region["levels"].push_back(
          {{"level", promised}, {"coverage", estimate_json(found[0])}, {"area", estimate_json(found[1])}});
      if (promised != 0.9) continue;
      result_.report["action"]["coverage90"] = estimate_json(found[0]);
      result_.report["action"]["area90"] = estimate_json(found[1]);
    }
  }

  // Two confidences of a point: its region is small, or the flag is sure that the pair changed.
  void add_risk() {
    if (judged_.empty()) return;
    add_curve("risk_coverage.by_p_zoom", [&](std::size_t i) { return predictions_[i].p_zoom; });
    if (!predictions_[judged_[0]].regions.empty())
      add_curve("risk_coverage", [&](std::size_t i) { return -shipped_region(predictions_[i]).share; });
    OrderedJson& risk = result_.report["risk_coverage"];
    risk["n"] = judged_.size();
    risk["risk"] = "share of points off the mask";
    risk["confidence"] = "smallness of the region; by_p_zoom: the probability of a change";
  }

  template <class Confidence>
  void add_curve(const std::string& place, const Confidence& confidence) {
    std::vector<Judged> answers;
    for (std::size_t k = 0; k < judged_.size(); ++k)
      answers.push_back({confidence(judged_[k]), points_[k].hits.mask ? 0.0 : 1.0});
    const auto scores = [&](Picks picks) {
      std::vector<Judged> drawn;
      drawn.reserve(picks.size());
      for (const std::size_t pick : picks) drawn.push_back(answers[pick]);
      return std::vector<double>{aurc(drawn)};
    };
    add_block(result_.report, answers.size(), {"aurc"}, {{place, "", scores}}, options_.bootstrap);
    OrderedJson points = OrderedJson::array();
    for (const RiskPoint& p : risk_curve(answers)) points.push_back({{"coverage", p.coverage}, {"risk", p.risk}});
    at_place(result_.report, place)["points"] = points;
  }

  const PairRegion& shipped_region(const Predicted& predicted) const {
    const std::vector<PairRegion>& regions = predicted.regions;
    const auto shipped = std::find_if(regions.begin(), regions.end(),
                                      [&](const PairRegion& r) { return r.level == options_.shipped_level; });
    return shipped != regions.end() ? *shipped : regions.front();
  }

  void add_map() {
    std::vector<MapIou> maps;
    for (const Predicted& p : predictions_)
      if (p.map) maps.push_back(*p.map);
    const auto iou = [&](Picks picks) {
      MapIou sum;
      for (const std::size_t pick : picks) {
        sum.intersection += maps[pick].intersection;
        sum.either += maps[pick].either;
      }
      return std::vector<double>{sum.value()};
    };
    add_block(result_.report, maps.size(), {"iou"}, {{"map", "", iou}}, options_.bootstrap);
    if (judged_.empty() || !predictions_[judged_[0]].peak) return;
    const std::vector<PointScore> peaks = score_points([&](std::size_t i) { return predictions_[i].peak.value(); },
                                                       [](std::size_t) { return std::span<const Point>(); });
    at_place(result_.report, "map.peak")["n"] = judged_.size();
    add_block(result_.report, judged_.size(), kActionKeys,
              {{"map.peak", "", [&](Picks picks) { return flat(action_scores(peaks, picks)); }},
               {"", "blind", [&](Picks picks) { return flat(action_scores(blind_points_, picks)); }}},
              options_.bootstrap);
  }

  static std::vector<std::size_t> all(std::size_t n) {
    std::vector<std::size_t> picks(n);
    std::iota(picks.begin(), picks.end(), std::size_t{0});
    return picks;
  }

  const std::vector<Truth>& truths_;
  const std::vector<Predicted>& predictions_;
  const EvaluateOptions& options_;
  Evaluation result_;
  std::vector<std::size_t> judged_;  // pairs that have a point to hit
  std::vector<PointScore> points_, blind_points_;
};

}  // namespace

Evaluation evaluate(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions,
                    const EvaluateOptions& options) {
  CP_CHECK(truths.size() == predictions.size(),
           fmt::format("{} truths for {} predictions", truths.size(), predictions.size()));
  for (std::size_t i = 0; i < truths.size(); ++i)
    CP_CHECK(truths[i].name == predictions[i].name,
             fmt::format("pair {} is \"{}\" and \"{}\"", i, truths[i].name, predictions[i].name));
  return Evaluator(truths, predictions, options).run();
}

}  // namespace cp
