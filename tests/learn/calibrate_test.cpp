#include "learn/calibrate.h"

#include <cmath>
#include <map>

#include "support/test_support.h"

namespace cp {
namespace {

TEST(FitFlag, FindsTheTemperatureAndBiasThatMadeTheLabels) {
  const double temperature = 1.7, bias = 0.6;
  std::vector<double> logits;
  std::vector<int> flags;
  Rng rng(1, Stream::test);
  for (int i = 0; i < 20000; ++i) {
    logits.push_back(3 * rng.normal());
    flags.push_back(rng.chance(1 / (1 + std::exp(-(logits.back() - bias) / temperature))) ? 1 : 0);
  }
  const ModelManifest::Flag flag = fit_flag(logits, flags);
  EXPECT_NEAR(flag.temperature, temperature, 0.06);  // two standard errors at n = 20000
  EXPECT_NEAR(flag.bias, bias, 0.06);
  EXPECT_DOUBLE_EQ(flag.threshold, flag.bias);
}

TEST(FitFlag, RefusesALogitThatFallsWithTheTruth) {
  std::vector<double> logits;
  std::vector<int> flags;
  for (int i = 0; i < 100; ++i) logits.push_back(i - 50), flags.push_back(i < 50 ? 1 : 0);
  EXPECT_TRUE(test::throws_user_error([&] { fit_flag(logits, flags); }, ErrorKind::numeric, {"does not rise"}));
}

TEST(ConformalQuantile, CoversAtLeastItsLevelOnFreshDraws) {
  Rng rng(2, Stream::test);
  double covered = 0, drawn = 0;
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<double> scores;
    for (int i = 0; i < 60; ++i) scores.push_back(rng.uniform());
    const double q = conformal_quantile(scores, 0.9, 0);
    for (int i = 0; i < 20; ++i, ++drawn) covered += rng.uniform() <= q ? 1 : 0;
  }
  EXPECT_NEAR(covered / drawn, 55.0 / 61.0, 0.01);  // E[coverage] = rank / (n + 1); 8000 draws
  EXPECT_EQ(conformal_quantile({0.1, 0.2}, 0.9, 0), 1.0);
  EXPECT_EQ(conformal_quantile({0.4, 0.1, 0.3, 0.2}, 0.5, 0), 0.3);
}

// The coverage of a threshold among uniform scores is the threshold itself.
TEST(ConformalQuantile, HoldsItsLevelInNineteenOfTwentyCalibrations) {
  Rng rng(3, Stream::test);
  for (const auto& [n, level] : {std::pair(60, 0.9), std::pair(307, 0.9), std::pair(100, 0.5)}) {
    int held = 0, held_on_average = 0;
    constexpr int kTrials = 4000;
    for (int trial = 0; trial < kTrials; ++trial) {
      std::vector<double> scores;
      for (int i = 0; i < n; ++i) scores.push_back(rng.uniform());
      held += conformal_quantile(scores, level) >= level ? 1 : 0;
      held_on_average += conformal_quantile(scores, level, 0) >= level ? 1 : 0;
    }
    EXPECT_GT(held, kTrials * (0.95 - 3 * 0.0035)) << n;  // three standard errors
    EXPECT_LT(held, kTrials * 0.993) << n;                // and no rank more than it needs: 60 scores have .947 or .986
    EXPECT_LT(held_on_average, kTrials * 0.75) << "the planted fault: a quantile for the average";
  }
  EXPECT_EQ(conformal_quantile(std::vector<double>(20, 0.3), 0.9), 1.0) << "20 scores cannot promise it";
}

TEST(SceneFolds, KeepScenesTogetherAndBalanced) {
  std::vector<TrainPair> pairs;
  for (int scene = 0; scene < 10; ++scene)
    for (int tile = 0; tile < 3 + scene % 4; ++tile) {
      pairs.emplace_back();
      pairs.back().group = "test/" + std::to_string(scene);
    }
  const std::vector<int> folds = scene_folds(pairs, 4, 9);
  ASSERT_EQ(folds.size(), pairs.size());
  std::map<std::string, int> fold_of;
  std::map<int, int> sizes;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ++sizes[folds[i]];
    EXPECT_EQ(fold_of.emplace(pairs[i].group, folds[i]).first->second, folds[i]);
  }
  ASSERT_EQ(sizes.size(), 4u);
  for (const auto& [fold, size] : sizes) EXPECT_NEAR(size, static_cast<double>(pairs.size()) / 4, 4);
}

TEST(LearningRate, WarmsUpThenFallsToItsFinalShare) {
  StageOptions o;
  o.learning_rate = 2.0, o.warmup_steps = 10, o.final_share = 0.1;
  EXPECT_NEAR(learning_rate(o, 0, 100), 0.2, 0.01);
  EXPECT_GT(learning_rate(o, 9, 100), learning_rate(o, 4, 100));
  for (int step = 10; step < 99; ++step) EXPECT_GT(learning_rate(o, step, 100), learning_rate(o, step + 1, 100));
  EXPECT_NEAR(learning_rate(o, 100, 100), 0.2, 1e-12);
}

}  // namespace
}  // namespace cp
