// Properties of intervals and differences, and the odd splits.
#include "metrics/bootstrap.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "core/rng.h"
#include "metrics/caption_sums.h"
#include "metrics/evaluate.h"
#include "metrics/examples.h"
#include "support/test_support.h"

namespace cp {
namespace {

std::vector<double> numbers(std::size_t n) {
  Rng rng(3, Stream::test);
  std::vector<double> values(n);
  for (double& value : values) value = rng.normal();
  return values;
}

std::vector<Estimate> mean_of(const std::vector<double>& values, const BootstrapOptions& options) {
  return bootstrap(
      values.size(),
      [&](Picks picks) {
        double sum = 0;
        for (const std::size_t pick : picks) sum += values[pick];
        return std::vector<double>{sum / static_cast<double>(picks.size())};
      },
      options);
}

TEST(Bootstrap, IsTheSameEveryTimeAndOtherWithAnotherSeed) {
  const auto values = numbers(50);
  const Interval first = *mean_of(values, {200, 5})[0].interval, again = *mean_of(values, {200, 5})[0].interval,
                 other = *mean_of(values, {200, 6})[0].interval;
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(first.low, other.low);
}

TEST(Bootstrap, IntervalOfAMeanIsTwoStandardErrorsWide) {
  const auto values = numbers(400);
  const Estimate mean = mean_of(values, {4000, 0})[0];
  double squares = 0;
  for (const double v : values) squares += (v - mean.value) * (v - mean.value);
  const double error = std::sqrt(squares) / 400;
  EXPECT_LT(mean.interval->low, mean.value);
  EXPECT_GT(mean.interval->high, mean.value);
  EXPECT_NEAR(mean.interval->high - mean.interval->low, 2 * 1.96 * error, 0.3 * error);  // 4,000 draws: 3 % or so
}

TEST(Bootstrap, HoldsTheValueOfABiasedScore) {
  // The number of different picks falls from 10 to 6.5 when 10 are drawn with replacement.
  const Estimate distinct = bootstrap(10, [](Picks picks) {
    std::vector<std::size_t> sorted(picks.begin(), picks.end());
    std::sort(sorted.begin(), sorted.end());
    return std::vector<double>{static_cast<double>(std::unique(sorted.begin(), sorted.end()) - sorted.begin())};
  })[0];
  EXPECT_EQ(distinct.value, 10);
  EXPECT_LT(distinct.interval->low, 7);
  EXPECT_EQ(distinct.interval->high, 10);
}

TEST(Bootstrap, LeavesOutResamplesWithoutTheScore) {
  // Defined only where pair 0 was drawn.
  const auto scores = [](Picks picks) {
    return std::vector<double>{std::count(picks.begin(), picks.end(), 0) > 0 ? 1.0 : NAN};
  };
  EXPECT_EQ(bootstrap(4, scores)[0].interval->low, 1);
  const auto never = [](Picks) { return std::vector<double>{NAN}; };
  EXPECT_FALSE(bootstrap(4, never)[0].interval);
}

TEST(Bootstrap, OfFewerThanTwoPairsHasNoInterval) {
  EXPECT_FALSE(mean_of({1.0}, {100, 0})[0].interval);
  EXPECT_FALSE(mean_of({1.0, 2.0}, {0, 0})[0].interval);
  EXPECT_TRUE(mean_of({1.0, 2.0}, {100, 0})[0].interval);
}

TEST(BootstrapCrossed, WithOneRunIsThePlainBootstrap) {
  std::vector<double> values;
  for (int i = 0; i < 30; ++i) values.push_back(i * i % 17);
  const auto mean = [&](Picks picks) {
    double sum = 0;
    for (const std::size_t i : picks) sum += values[i];
    return std::vector<double>{sum / static_cast<double>(picks.size())};
  };
  const Estimate plain = bootstrap(30, mean)[0];
  const Estimate crossed = bootstrap_crossed(30, 1, [&](Picks pairs, Picks runs) {
    EXPECT_EQ(runs.size(), 1u);
    return mean(pairs);
  })[0];
  EXPECT_EQ(plain.interval->low, crossed.interval->low);
  EXPECT_EQ(plain.interval->high, crossed.interval->high);
}

// x[pair][run] = u[pair] + v[run] with 40 pairs and 5 runs. The resampled mean has the variance s_u^2 / 40 + s_v^2 / 5
// (plug-in variances): 1/4/40 + 2/5 here, a normal interval of 1.96 x 0.637.
TEST(BootstrapCrossed, AddsTheSpreadOfPairsAndRuns) {
  const auto score = [](Picks pairs, Picks runs) {
    double sum = 0;
    for (const std::size_t pair : pairs)
      for (const std::size_t run : runs) sum += (pair % 2 ? .5 : -.5) + static_cast<double>(run) - 2;
    return std::vector<double>{sum / static_cast<double>(pairs.size() * runs.size())};
  };
  const Estimate e = bootstrap_crossed(40, 5, score, {4000, 0})[0];
  const double half = 1.96 * std::sqrt(.25 / 40 + 2.0 / 5);
  EXPECT_NEAR(e.value, 0, 1e-12);
  EXPECT_NEAR(e.interval->low, -half, .08) << "five runs are no normal distribution, 4000 resamples no quantile";
  EXPECT_NEAR(e.interval->high, half, .08);
  const auto pairs_alone = [&](Picks pairs) {
    const std::vector<std::size_t> all{0, 1, 2, 3, 4};
    return score(pairs, all);
  };
  EXPECT_LT(bootstrap(40, pairs_alone, {4000, 0})[0].interval->high, half / 5) << "the planted fault is seen";
}

TEST(Bootstrap, ScoresATestSplitAThousandTimesInAboutASecond) {
  std::vector<std::vector<std::string>> references;
  std::vector<std::string> captions;
  for (int i = 0; i < 1929; ++i) {
    const std::string n = std::to_string(i % 97);
    references.push_back({"a road number " + n + " is built", "house " + n + " appears along the road"});
    captions.push_back((i % 3 ? "house " : "the new house ") + n + " is built along the road");
  }
  const CaptionSums sums = sum_captions(references, captions, CaptionSplitter());
  const auto start = std::chrono::steady_clock::now();
  const auto found = bootstrap(captions.size(), [&](Picks picks) {
    const CaptionScores s = total(sums, picks);
    return std::vector<double>{s.bleu[3], s.meteor, s.rouge_l, s.cider};
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("seconds", std::to_string(seconds));
  for (const Estimate& e : found) EXPECT_LT(e.interval->low, e.interval->high);
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(seconds, 3);
#endif
}

// ---- Odd splits
// ------------------------------------------------------------------------------------------------------

Image square(int x0, int y0, int x1, int y1) {
  Image mask(16, 16, 1);
  for (int y = y0; y < y1; ++y)
    for (int x = x0; x < x1; ++x) *mask.at(x, y) = 255;
  return mask;
}

struct Split {
  std::vector<Truth> truths;
  std::vector<Predicted> predictions;

  void add(int flag, const Image& mask, int said, Point at, double share = 0.2) {
    const std::string name = "pair_" + std::to_string(truths.size());
    const auto references = flag ? std::vector<std::string>{"a house is built", "a house " + name + " appears"}
                                 : std::vector<std::string>{"there is no difference"};
    truths.push_back({name, flag, references, mask, find_components(mask)});
    Predicted p{name, said ? "a house is built" : "there is no difference", at.x, at.y, said, said ? 0.8 : 0.1};
    p.samples = {at, {0.5, 0.5}};
    p.regions = {{0.5, share / 2, false}, {0.9, share, true}};
    p.peak = at;
    predictions.push_back(p);
  }
  Json report(int resamples = 100) const {
    EvaluateOptions options;
    options.bootstrap.resamples = resamples;
    return Json(evaluate(truths, predictions, options).report);
  }
};

Split ordinary() {
  Split split;
  for (int i = 0; i < 6; ++i) {
    split.add(1, square(2 * i, 2, 2 * i + 3, 6), i != 5, {(2 * i + 1.0) / 16, i % 2 ? 0.25 : 0.9}, 0.1 * (i + 1));
    split.add(0, Image(16, 16, 1), i == 3, {0.5, 0.5});
  }
  return split;
}

// Every {"value", "low", "high"} below `json`.
void each_score(const Json& json, const std::function<void(const Json&, const std::string&)>& visit,
                const std::string& place = "") {
  if (json.is_object() && json.contains("value")) return visit(json, place);
  if (json.is_object())
    for (const auto& [key, value] : json.items()) each_score(value, visit, place + "/" + key);
  if (json.is_array())
    for (std::size_t i = 0; i < json.size(); ++i) each_score(json[i], visit, place + "/" + std::to_string(i));
}

int intervals_that_hold_their_value(const Json& report) {
  int visited = 0;
  each_score(report, [&](const Json& score, const std::string& place) {
    ++visited;
    ASSERT_TRUE(score.contains("low") && score.contains("high")) << place;
    EXPECT_LE(score.at("low"), score.at("value")) << place;
    EXPECT_GE(score.at("high"), score.at("value")) << place;
  });
  return visited;
}

TEST(Evaluate, EveryScoreHasAnIntervalThatHoldsIt) {
  EXPECT_GT(intervals_that_hold_their_value(ordinary().report()), 150);
}

TEST(Evaluate, DifferenceToAnEqualFloorIsExactlyZero) {
  Split split = ordinary();
  for (Predicted& p : split.predictions) {  // the model is the floor: centre, always zoom
    p.x = p.y = 0.5;
    p.samples = {{0.5, 0.5}};
    p.a = 1;
    p.p_zoom = 0.5;  // the split's share of changed pairs
    p.caption = BlindSentences{}.changed;
  }
  const Json delta = split.report().at("delta").at("blind");
  int visited = 0;
  for (const auto& [name, score] : delta.items()) {
    if (name.rfind("flag.", 0) != 0 && name.rfind("action.", 0) != 0 && name.rfind("caption.text.changed", 0) != 0)
      continue;
    ++visited;
    for (const char* key : {"value", "low", "high"}) EXPECT_EQ(score.at(key), 0.0) << name << " " << key;
  }
  EXPECT_EQ(visited, 7 + 13 + 8);
}

TEST(Evaluate, DifferencesArePairedAndModelMinusFloor) {
  const Json report = ordinary().report();
  const auto value = [&](const char* pointer) {
    return report.at(Json::json_pointer(pointer)).at("value").get<double>();
  };
  EXPECT_NEAR(report.at("delta").at("blind").at("action.sr_mask").at("value").get<double>(),
              value("/action/sr_mask") - value("/blind/action/sr_mask"), 1e-15);
  EXPECT_NEAR(report.at("delta").at("caption_flag").at("caption.text.all.bleu1").at("value").get<double>(),
              value("/caption/text/all/bleu1") - value("/blind/caption_flag/text/all/bleu1"), 1e-15);
}

TEST(Evaluate, CoverageAndAreaRiseWithTheLevel) {
  const Json levels = ordinary().report().at("region").at("levels");
  ASSERT_EQ(levels.size(), 2u);
  EXPECT_LT(levels[0].at("level"), levels[1].at("level"));
  for (const char* key : {"coverage", "area"})
    EXPECT_LT(levels[0].at(key).at("value"), levels[1].at(key).at("value")) << key;
}

TEST(Evaluate, RiskFollowsTheRegionsSize) {
  // The points of ordinary() are right at odd places; regions grow: confidence says little.
  const Json risk = ordinary().report().at("risk_coverage");
  EXPECT_EQ(risk.at("points").size(), 10u);
  EXPECT_EQ(risk.at("points")[9].at("risk"), 0.5);
  EXPECT_EQ(risk.at("points")[0].at("risk"), 1.0);  // the smallest region's point is off the mask
  EXPECT_TRUE(risk.at("by_p_zoom").contains("aurc"));
}

TEST(Evaluate, WithoutAChangedPairHasNoAction) {
  Split split;
  for (int i = 0; i < 4; ++i) split.add(0, Image(16, 16, 1), i == 0, {0.5, 0.5});
  const Json report = split.report();
  EXPECT_EQ(report.at("action").at("n"), 0);
  EXPECT_FALSE(report.at("action").contains("sr_mask"));
  EXPECT_FALSE(report.at("flag").contains("recall"));
  EXPECT_EQ(report.at("flag").at("false_alarms_per_100").at("value"), 25.0);
  EXPECT_EQ(report.at("caption").at("text").at("changed"), Json({{"n", 0}}));
  EXPECT_FALSE(report.at("caption").at("text").at("all").contains("cider")) << "all references are the same";
  EXPECT_FALSE(report.contains("region"));
  EXPECT_FALSE(report.contains("risk_coverage"));
}

TEST(Evaluate, OfOnePairHasValuesButNoIntervals) {
  Split split;
  split.add(1, square(2, 2, 6, 6), 1, {0.25, 0.25});
  const Json report = split.report();
  EXPECT_EQ(report.at("action").at("sr_mask"), Json({{"value", 1.0}}));
  int visited = 0;
  each_score(report, [&](const Json& score, const std::string& place) {
    ++visited;
    EXPECT_EQ(score.size(), 1u) << place;
  });
  EXPECT_GT(visited, 60);
}

TEST(Evaluate, NamesContradictoryPairsAndLeavesThemOut) {
  Split split;
  for (int i = 0; i < 3; ++i) split.add(0, square(1, 1, 9, 9), 1, {0.25, 0.25});
  Json report = split.report();
  EXPECT_EQ(report.at("contradictory").at("names"), Json({"pair_0", "pair_1", "pair_2"}));
  EXPECT_EQ(report.at("action").at("n"), 0);
  EXPECT_EQ(report.at("action").at("n_type"), 0);
  EXPECT_EQ(report.at("flag").at("n"), 3);
  split.add(1, square(1, 1, 9, 9), 1, {0.25, 0.25});
  split.add(1, Image(16, 16, 1), 1, {0.25, 0.25});  // unmarked: no point, but a type
  report = split.report();
  EXPECT_EQ(report.at("contradictory").at("n"), 3);
  EXPECT_EQ(report.at("action").at("n"), 1);
  EXPECT_EQ(report.at("action").at("n_type"), 2);
}

TEST(Evaluate, LeavesPairsWithoutReferencesOutOfCaptions) {
  Split split = ordinary();
  split.truths[0].captions.clear();
  EvaluateOptions options;
  options.bootstrap.resamples = 0;
  const Evaluation evaluation = evaluate(split.truths, split.predictions, options);
  EXPECT_EQ(evaluation.report.at("caption").at("text").at("all").at("n"), 11);
  EXPECT_FALSE(evaluation.pairs[0].caption);
  EXPECT_TRUE(evaluation.pairs[1].caption);
  EXPECT_TRUE(evaluation.pairs[0].point);
}

TEST(Evaluate, WithoutSamplesRegionsOrMapLeavesTheirScoresOut) {
  Split split = ordinary();
  for (Predicted& p : split.predictions) p.samples.clear(), p.regions.clear(), p.peak.reset();
  const Json report = split.report();
  EXPECT_TRUE(report.at("action").contains("mse"));
  EXPECT_FALSE(report.at("action").contains("energy_score"));
  EXPECT_FALSE(report.contains("region"));
  EXPECT_FALSE(report.contains("map"));
  EXPECT_FALSE(report.at("risk_coverage").contains("aurc"));
  EXPECT_TRUE(report.at("risk_coverage").at("by_p_zoom").contains("aurc"));
}

TEST(Examples, AreFailuresAndSuccessesByRule) {
  const Split split = ordinary();  // even: changed (0, 4, 8 off, 2, 6 on the mask, 10 missed); odd: unchanged, 7 wrong
  const auto scores = evaluate(split.truths, split.predictions).pairs;
  const auto outcome = [&](std::size_t i) { return outcome_of(split.truths[i], split.predictions[i], scores[i]); };
  EXPECT_EQ(outcome(10), Outcome::missed);
  EXPECT_EQ(outcome(7), Outcome::false_alarm);
  EXPECT_EQ(outcome(0), Outcome::off_mask);
  EXPECT_EQ(outcome(2), Outcome::on_mask);
  EXPECT_EQ(outcome(1), Outcome::quiet);
  const auto chosen = [&](std::size_t count) {
    return choose_examples(split.truths, split.predictions, scores, count);
  };
  EXPECT_EQ(chosen(0), std::vector<std::size_t>{});
  EXPECT_EQ(chosen(1), std::vector<std::size_t>{10});
  EXPECT_EQ(chosen(4), (std::vector<std::size_t>{1, 2, 7, 10}));
  const auto all = chosen(100);
  ASSERT_EQ(all.size(), 12u);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], i);
  EXPECT_EQ(chosen(11).size(), 11u) << "five failures; successes fill up";
}

}  // namespace
}  // namespace cp
