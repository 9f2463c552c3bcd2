// Sampling against transformers' generate() (tests/oracle/sampling_golden.py), and the statistics of the draws.
#include "runtime/sampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "core/json.h"
#include "core/rng.h"
#include "support/test_support.h"

namespace cp {
namespace {

const Json& golden() {
  static const Json json = read_json(test::golden("runtime/sampling.json"), ErrorKind::data);
  return json;
}

std::vector<float> row(int last) { return golden()["table"][static_cast<std::size_t>(last)].get<std::vector<float>>(); }

std::vector<bool> banned() {
  std::vector<bool> mask(golden()["table"].size());
  for (const int id : golden()["banned"]) mask[static_cast<std::size_t>(id)] = true;
  return mask;
}

// Plays the golden file's model: the logits depend on the last id alone.
struct TableModel {
  std::vector<float> logits;
  BeamStep step() {
    return [this](std::span<const int> tokens, std::span<const int>) -> std::span<const float> {
      logits.clear();
      for (const int token : tokens)
        for (const float x : row(token)) logits.push_back(x);
      return logits;
    };
  }
};

SamplingOptions options_of(const Json& json) {
  SamplingOptions o;
  o.temperature = json.value("temperature", 1.0);
  o.top_k = json.value("top_k", 0);
  o.top_p = json.value("top_p", 1.0);
  o.repetition_penalty = json.value("repetition_penalty", 1.0);
  o.suppressed = banned();
  return o;
}

struct Score {
  int compared = 0, different = 0;
};

Score compare_sampled(const std::function<void(SamplingOptions&)>& meddle) {
  Score score;
  for (const Json& sampled : golden()["sampled"]) {
    SamplingOptions options = options_of(sampled["options"]);
    meddle(options);
    for (const Json& want : sampled["steps"]) {
      const auto seen = want["seen"].get<std::vector<int>>();
      std::vector<float> got = row(seen.back());
      process_logits(got, seen, options);
      bool same = got.size() == want["scores"].size();
      for (std::size_t v = 0; same && v < got.size(); ++v) {
        const Json& w = want["scores"][v];
        // 2e-5: six decimals in the file, one division and one product in float32
        same = w.is_null() ? std::isinf(got[v]) && got[v] < 0 : std::abs(got[v] - w.get<float>()) < 2e-5f;
      }
      score.different += !same;
      ++score.compared;
    }
  }
  return score;
}

TEST(ProcessLogits, EqualsGenerateForManySettings) {
  const Score score = compare_sampled([](SamplingOptions&) {});
  EXPECT_EQ(score.compared, 52);
  EXPECT_EQ(score.different, 0);
}

TEST(ProcessLogitsTwins, PlantedFaultsAreSeen) {
  EXPECT_GE(compare_sampled([](SamplingOptions& o) { o.temperature *= 1.01; }).different, 48);
  EXPECT_GE(compare_sampled([](SamplingOptions& o) { o.top_k += o.top_k > 0; }).different, 8);
  EXPECT_GE(compare_sampled([](SamplingOptions& o) { o.top_p *= 0.8; }).different, 12);
  EXPECT_GE(compare_sampled([](SamplingOptions& o) { o.repetition_penalty = 1; }).different, 12);
  EXPECT_GE(compare_sampled([](SamplingOptions& o) { o.suppressed.clear(); }).different, 20);
}

Score compare_searched(const std::function<void(BeamOptions&)>& meddle) {
  Score score;
  for (const Json& want : golden()["searched"]) {
    BeamOptions o;
    o.beams = want["options"]["num_beams"];
    o.length_penalty = want["options"].value("length_penalty", 1.0);
    o.repetition_penalty = want["options"]["repetition_penalty"];
    o.max_new_tokens = 8;
    o.end_token = want["end"];
    o.prompt = golden()["prompt"].get<std::vector<int>>();
    o.suppressed = banned();
    const std::vector<float> first = row(o.prompt.back());
    meddle(o);
    TableModel model;
    const std::vector<Hypothesis> got = beam_search(first, model.step(), o);
    bool same = got.size() == want["rows"].size();
    for (std::size_t i = 0; same && i < got.size(); ++i) {
      same = got[i].tokens == want["rows"][i].get<std::vector<int>>();
      if (same && o.beams > 1) same = std::abs(got[i].score - want["scores"][i].get<double>()) < 1e-4;
    }
    score.different += !same;
    ++score.compared;
  }
  return score;
}

TEST(BeamSearch, EqualsGenerateWithARepetitionPenalty) {
  const Score score = compare_searched([](BeamOptions&) {});
  EXPECT_EQ(score.compared, 16);
  EXPECT_EQ(score.different, 0);
}

TEST(BeamSearchTwins, AForgottenPenaltyOrPromptIsSeen) {
  EXPECT_GE(compare_searched([](BeamOptions& o) { o.repetition_penalty = 1; }).different, 9);
  EXPECT_GE(compare_searched([](BeamOptions& o) { o.prompt.clear(); }).different, 6);
}

// Pearson's statistic of n draws from the softmax of `logits` against the shares `p`.
double chi_square(std::span<const float> logits, const std::vector<double>& p, int n, std::uint64_t seed) {
  std::vector<int> count(p.size());
  for (int i = 0; i < n; ++i) {
    Rng rng(seed, Stream::token_sampling, 0, static_cast<std::uint64_t>(i));
    ++count[static_cast<std::size_t>(draw_token(logits, rng.uniform()))];
  }
  double sum = 0;
  for (std::size_t v = 0; v < p.size(); ++v) sum += std::pow(count[v] - n * p[v], 2) / (n * p[v]);
  return sum;
}

TEST(DrawToken, FollowsTheSoftmax) {
  const std::vector<double> p = {0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.015, 0.005};
  std::vector<float> logits;
  for (const double share : p) logits.push_back(static_cast<float>(std::log(share)) + 3);
  std::vector<double> skewed = p;
  skewed[0] -= 0.02, skewed[1] += 0.02;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    EXPECT_LT(chi_square(logits, p, 50'000, seed), 24.3);  // 7 degrees of freedom: 1 in 1000
    EXPECT_GT(chi_square(logits, skewed, 50'000, seed), 24.3);
  }
}

TEST(DrawToken, TakesTheEndsOfTheUnitInterval) {
  const float out = -std::numeric_limits<float>::infinity();
  const std::vector<float> logits = {out, 0, 0, out};
  EXPECT_EQ(draw_token(logits, 0), 1);
  EXPECT_EQ(draw_token(logits, 0.4999), 1);
  EXPECT_EQ(draw_token(logits, 0.5), 2);
  EXPECT_EQ(draw_token(logits, std::nextafter(1.0, 0.0)), 2);
  EXPECT_THROW(draw_token(std::vector<float>{out, out}, 0.5), BugError);
  EXPECT_THROW(draw_token(std::vector<float>{0, std::numeric_limits<float>::quiet_NaN()}, 0.5), BugError);
}

// reliability.md: ids past the tokenizer's length are never produced.
TEST(DrawToken, AMillionDrawsGiveNoSuppressedId) {
  std::vector<float> logits = {1, 0, 2, 9, 9, 9};
  SamplingOptions options;
  options.suppressed = {false, false, false, true, true, true};
  process_logits(logits, {}, options);
  Rng rng(4, Stream::test);
  int wrong = 0;
  for (int i = 0; i < 1'000'000; ++i) wrong += draw_token(logits, rng.uniform()) > 2;
  EXPECT_EQ(wrong, 0);
}

std::vector<Hypothesis> texts(
    int draws, const std::function<void(SamplingOptions&)>& meddle = [](SamplingOptions&) {}) {
  SamplingOptions options;
  options.max_new_tokens = 6;
  options.end_token = 5;
  options.seed = 11;
  options.suppressed = banned();
  meddle(options);
  TableModel model;
  const auto prompt = golden()["prompt"].get<std::vector<int>>();
  return sample_texts(row(prompt.back()), model.step(), prompt, draws, options);
}

TEST(SampleTexts, AreRankedByMeanLogProbability) {
  const std::vector<Hypothesis> found = texts(12);
  ASSERT_GE(found.size(), 6u);
  int visited = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    double sum = 0;
    int last = golden()["prompt"].back();
    for (const int token : found[i].tokens) {
      const std::vector<float> logits = row(last);
      double total = 0;
      for (const float x : logits) total += std::exp(static_cast<double>(x));
      sum += logits[static_cast<std::size_t>(token)] - std::log(total);
      last = token;
      ++visited;
    }
    EXPECT_NEAR(found[i].score, sum / static_cast<double>(found[i].tokens.size()), 1e-6);
    if (i > 0) {
      EXPECT_LE(found[i].score, found[i - 1].score);
    }
    EXPECT_TRUE(found[i].tokens.size() == 6 || found[i].tokens.back() == 5);
  }
  EXPECT_GE(visited, 20);
}

TEST(SampleTexts, ADrawDoesNotDependOnTheOthers) {
  const std::vector<Hypothesis> few = texts(3), many = texts(12);
  std::set<std::vector<int>> all;
  for (const Hypothesis& h : many) all.insert(h.tokens);
  EXPECT_EQ(all.size(), many.size());  // each once
  for (const Hypothesis& h : few) EXPECT_TRUE(all.count(h.tokens));
  EXPECT_NE(texts(3, [](SamplingOptions& o) { o.seed = 12; })[0].tokens, few[0].tokens);
}

TEST(SampleTexts, TopOneIsGreedyAndOneText) {
  const std::vector<Hypothesis> found = texts(8, [](SamplingOptions& o) { o.top_k = 1; });
  ASSERT_EQ(found.size(), 1u);
  BeamOptions greedy;
  greedy.beams = 1;
  greedy.max_new_tokens = 6;
  greedy.end_token = 5;
  greedy.suppressed = banned();
  TableModel model;
  EXPECT_EQ(found[0].tokens, beam_search(row(golden()["prompt"].back()), model.step(), greedy)[0].tokens);
}

TEST(SampleTexts, OptionsOutOfRangeAreRefusedByName) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto refused = [](const std::function<void(SamplingOptions&)>& meddle, const char* name) {
    return test::throws_user_error([&] { texts(1, meddle); }, ErrorKind::usage, {name});
  };
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.temperature = 0; }, "temperature"));
  EXPECT_TRUE(refused([&](SamplingOptions& o) { o.temperature = nan; }, "temperature"));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.top_k = -1; }, "top-k"));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.top_p = 0; }, "top-p"));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.top_p = 1.5; }, "top-p"));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.repetition_penalty = -1; }, "repetition-penalty"));
  EXPECT_TRUE(refused([](SamplingOptions& o) { o.max_new_tokens = 0; }, "max-new-tokens"));
}

}  // namespace
}  // namespace cp
