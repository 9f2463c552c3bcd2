// Flag, point and risk scores with their intervals, against scikit-learn, scipy and numpy.
#include <algorithm>
#include <cmath>
#include <functional>

#include "core/json.h"
#include "metrics/action.h"
#include "metrics/calibration.h"
#include "metrics/risk.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr double kTolerance = 1e-9;  // double on both sides, sums in another order

Json golden_json() { return read_json(test::golden("metrics/action.json"), ErrorKind::data); }

std::vector<FlagPair> flags_of(const Json& golden) {
  std::vector<FlagPair> pairs;
  for (std::size_t i = 0; i < golden.at("p").size(); ++i)
    pairs.push_back({golden.at("truth")[i], golden.at("said")[i], golden.at("p")[i]});
  return pairs;
}

struct Points {
  int width, height;
  std::vector<Point> targets;
  std::vector<std::vector<Point>> samples;  // the first is the answer
};

Point point_of(const Json& xy) { return {xy[0], xy[1]}; }

Points points_of(const Json& golden) {
  Points points{golden.at("width"), golden.at("height"), {}, {}};
  for (const Json& target : golden.at("targets")) points.targets.push_back(point_of(target));
  for (const Json& of_one : golden.at("samples")) {
    points.samples.emplace_back();
    for (const Json& sample : of_one) points.samples.back().push_back(point_of(sample));
  }
  return points;
}

BootstrapOptions options_of(const Json& golden) { return {golden.at("resamples"), golden.at("seed")}; }

// Number of values, lows and highs that differ.
int wrong(const std::vector<Estimate>& got, const Json& want, const std::vector<const char*>& keys) {
  int count = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Json& w = want.at(keys[i]);
    const Interval interval = got[i].interval.value_or(Interval{NAN, NAN});
    count += !(std::abs(got[i].value - w.at("value").get<double>()) <= kTolerance);
    count += !(std::abs(interval.low - w.at("low").get<double>()) <= kTolerance);
    count += !(std::abs(interval.high - w.at("high").get<double>()) <= kTolerance);
  }
  return count;
}

const std::vector<const char*> kFlagKeys{"accuracy", "precision", "recall", "f1", "false_alarms_per_100",
                                         "brier",    "ece"};

int wrong_flags(const Json& golden, const std::vector<FlagPair>& pairs, const BootstrapOptions& options) {
  const auto scores = [&](Picks picks) {
    const FlagScores s = flag_scores(pairs, picks);
    return std::vector<double>{s.accuracy, s.precision, s.recall, s.f1, s.false_alarms_per_100, s.brier, s.ece};
  };
  return wrong(bootstrap(pairs.size(), scores, options), golden.at("flag"), kFlagKeys);
}

TEST(FlagScores, AndTheirIntervalsEqualScikitLearns) {
  const Json golden = golden_json();
  EXPECT_EQ(wrong_flags(golden, flags_of(golden), options_of(golden)), 0);
}

TEST(FlagScores, OfFaultyAnswersDiffer) {
  const Json golden = golden_json();
  auto swapped = flags_of(golden);  // truth and answer taken for each other
  for (FlagPair& pair : swapped) std::swap(pair.truth, pair.said);
  EXPECT_GE(wrong_flags(golden, swapped, options_of(golden)), 9);
  auto shifted = flags_of(golden);
  for (FlagPair& pair : shifted) pair.p = 1 - pair.p;
  EXPECT_EQ(wrong_flags(golden, shifted, options_of(golden)), 6);  // Brier and ECE
  EXPECT_GE(wrong_flags(golden, flags_of(golden), {200, 1}), 7) << "another seed has other intervals";
}

TEST(Reliability, EqualsTheTableOfNumpy) {
  const Json golden = golden_json();
  const auto pairs = flags_of(golden);
  std::vector<std::size_t> all(pairs.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const Reliability bins = reliability(pairs, all);
  int visited = 0;
  for (std::size_t b = 0; b < bins.size(); ++b, ++visited) {
    const Json& want = golden.at("reliability")[b];
    EXPECT_EQ(bins[b].n, want.at("n").get<int>()) << b;
    if (bins[b].n == 0) continue;
    EXPECT_NEAR(bins[b].mean_p, want.at("mean_p").get<double>(), kTolerance) << b;
    EXPECT_NEAR(bins[b].share_changed, want.at("share_changed").get<double>(), kTolerance) << b;
  }
  EXPECT_EQ(visited, 10);
}

TEST(FlagScores, OfPerfectAnswersHaveNoError) {
  const std::vector<FlagPair> pairs{{1, 1, 1}, {0, 0, 0}, {1, 1, 1}};
  const FlagScores s = flag_scores(pairs, std::vector<std::size_t>{0, 1, 2});
  EXPECT_EQ(s.ece, 0);
  EXPECT_EQ(s.brier, 0);
  EXPECT_EQ(s.f1, 1);
  EXPECT_EQ(s.false_alarms_per_100, 0);
}

TEST(FlagScores, WithoutPairsToDivideByAreNotMeasured) {
  const std::vector<FlagPair> pairs{{1, 0, 0.2}, {0, 0, 0.2}};
  const FlagScores changed = flag_scores(pairs, std::vector<std::size_t>{0});
  EXPECT_TRUE(std::isnan(changed.precision));             // nothing was called changed
  EXPECT_TRUE(std::isnan(changed.false_alarms_per_100));  // no unchanged pair
  EXPECT_EQ(changed.recall, 0);
  const FlagScores unchanged = flag_scores(pairs, std::vector<std::size_t>{1});
  EXPECT_TRUE(std::isnan(unchanged.f1) && std::isnan(unchanged.recall));
  EXPECT_TRUE(std::isnan(flag_scores(pairs, {}).accuracy) && std::isnan(flag_scores(pairs, {}).ece));
}

const std::vector<const char*> kPointKeys{"mse", "mae", "median_error_px", "p90_error_px", "energy_score"};

int wrong_points(const Json& golden, const Points& points) {
  const Image mask(points.width, points.height, 1, 255);
  const auto components = find_components(mask);
  std::vector<PointScore> scores;
  for (std::size_t i = 0; i < points.targets.size(); ++i)
    scores.push_back(score_point(mask, components, points.samples[i][0], points.targets[i], points.samples[i]));
  const auto flat = [&](Picks picks) {
    const ActionScores s = action_scores(scores, picks);
    return std::vector<double>{s.mse, s.mae, s.median_error_px, s.p90_error_px, s.energy_score};
  };
  return wrong(bootstrap(scores.size(), flat, options_of(golden)), golden.at("action"), kPointKeys);
}

TEST(ActionScores, AndTheirIntervalsEqualNumpys) {
  const Json golden = golden_json();
  EXPECT_EQ(wrong_points(golden, points_of(golden)), 0);
}

TEST(ActionScores, OfFaultyPointsDiffer) {
  const Json golden = golden_json();
  Points turned = points_of(golden);
  std::swap(turned.width, turned.height);
  EXPECT_EQ(wrong_points(golden, turned), 6);  // both errors in pixels; fractions stay
  Points lost = points_of(golden);
  for (auto& samples : lost.samples) samples.pop_back();
  EXPECT_EQ(wrong_points(golden, lost), 3);  // the energy score alone
}

TEST(EnergyScore, EqualsScipysDistances) {
  const Json golden = golden_json();
  const Points points = points_of(golden);
  for (std::size_t i = 0; i < points.targets.size(); ++i)
    EXPECT_NEAR(energy_score(points.samples[i], points.targets[i]), golden.at("energy_each")[i].get<double>(),
                kTolerance);
  EXPECT_EQ(points.targets.size(), 60u);
}

TEST(EnergyScore, OfOneSampleIsItsDistance) {
  const std::vector<Point> one{{0.3, 0.4}}, twice{{0.3, 0.4}, {0.3, 0.4}};
  EXPECT_DOUBLE_EQ(energy_score(one, {0, 0}), 0.5);
  EXPECT_DOUBLE_EQ(energy_score(twice, {0, 0}), 0.5);
  EXPECT_TRUE(std::isnan(energy_score({}, {0, 0})));
}

std::vector<Judged> judged_of(const Json& golden) {
  std::vector<Judged> answers;
  for (std::size_t i = 0; i < golden.at("loss").size(); ++i)
    answers.push_back({golden.at("confidence")[i], golden.at("loss")[i]});
  return answers;
}

TEST(RiskCoverage, EqualsNumpysWithTiesAveraged) {
  const Json golden = golden_json();
  const auto answers = judged_of(golden);
  const auto scores = [&](Picks picks) {
    std::vector<Judged> drawn;
    for (const std::size_t pick : picks) drawn.push_back(answers[pick]);
    return std::vector<double>{aurc(drawn)};
  };
  EXPECT_EQ(wrong(bootstrap(answers.size(), scores, options_of(golden)), {{"aurc", golden.at("aurc")}}, {"aurc"}), 0);
  const auto curve = risk_curve(answers);
  ASSERT_EQ(curve.size(), 10u);
  for (std::size_t i = 0; i < curve.size(); ++i) {
    EXPECT_NEAR(curve[i].coverage, golden.at("curve_drawn")[i].at("coverage").get<double>(), 1e-12);
    EXPECT_NEAR(curve[i].risk, golden.at("curve_drawn")[i].at("risk").get<double>(), 0.02);
  }
  auto reversed = answers;  // the planted fault: the least confident are kept
  for (Judged& answer : reversed) answer.confidence = -answer.confidence;
  EXPECT_GT(aurc(reversed), golden.at("aurc").at("high").get<double>());
}

TEST(RiskCoverage, OfEqualConfidencesIsTheRiskOfAll) {
  const std::vector<Judged> equal{{1, 0}, {1, 1}, {1, 1}, {1, 0}};
  EXPECT_DOUBLE_EQ(aurc(equal), 0.5);
  for (const RiskPoint& point : risk_curve(equal)) EXPECT_DOUBLE_EQ(point.risk, 0.5);
  EXPECT_DOUBLE_EQ(aurc({{2, 0}, {1, 1}}), 0.25);
  EXPECT_TRUE(std::isnan(aurc({})));
  EXPECT_TRUE(risk_curve({}).empty());
}

TEST(Quantile, EqualsNumpys) {
  const Json golden = golden_json();
  for (const Json& one : golden.at("quantiles"))
    EXPECT_NEAR(quantile(one.at("values"), one.at("q")), one.at("want").get<double>(), 1e-12);
  EXPECT_EQ(golden.at("quantiles").size(), 15u);
  EXPECT_THROW(quantile({}, 0.5), BugError);
}

}  // namespace
}  // namespace cp
