#include "runtime/beam.h"

#include <cmath>

#include "core/json.h"
#include "random_nano.h"
#include "runtime/language_model.h"

namespace cp {
namespace {

const LanguageModel& language() {
  static const LanguageModel model = LanguageModel::load(test::make_random_nano("beam") / "language");
  return model;
}

// The search of one golden case; the prompt's embeddings are the first normal numbers of seed `index`.
std::vector<Hypothesis> search(int index, const BeamOptions& options) {
  Rng rng(static_cast<std::uint64_t>(index), Stream::test);
  std::vector<float> x(6 * test::kHidden);
  for (float& v : x) v = static_cast<float>(rng.normal());
  LanguageModel::Cache cache;
  const std::vector<float> hidden = language().prefill(x, cache);
  const std::vector<float> first = language().logits(std::span(hidden).last(test::kHidden));
  std::vector<float> next;
  return beam_search(
      first,
      [&](std::span<const int> tokens, std::span<const int> parents) -> std::span<const float> {
        next = language().logits(language().decode(tokens, parents, cache));
        return next;
      },
      options);
}

BeamOptions options_of(const Json& golden_case) {
  BeamOptions o;
  o.beams = golden_case["beams"];
  o.length_penalty = golden_case["length_penalty"];
  o.max_new_tokens = 10;
  o.end_token = golden_case["end"];
  o.suppressed.assign(static_cast<std::size_t>(language().config().vocab_size), true);
  for (const int id : golden_case["allowed"]) o.suppressed[static_cast<std::size_t>(id)] = false;
  return o;
}

// How many of the golden cases agree in every token of every hypothesis, and in the scores.
int agreeing(const std::function<void(BeamOptions&)>& meddle) {
  int agree = 0, index = 0;
  const Json golden = read_json(test::golden("runtime/nano.json"), ErrorKind::data);
  for (const Json& want : golden["searches"]) {
    BeamOptions o = options_of(want);
    meddle(o);
    const std::vector<Hypothesis> got = search(index++, o);
    bool same = got.size() == want["rows"].size();
    for (std::size_t i = 0; same && i < got.size(); ++i) {
      same = got[i].tokens == want["rows"][i].get<std::vector<int>>();
      if (same && o.beams > 1)
        same = std::abs(got[i].score - want["scores"][i].get<double>()) < 1e-4 * std::abs(got[i].score);
    }
    agree += same;
  }
  EXPECT_EQ(index, 24);
  return agree;
}

TEST(BeamSearch, EqualsTransformersForManySettings) {
  EXPECT_EQ(agreeing([](BeamOptions&) {}), 24);
}

TEST(BeamSearchTwins, AnotherLengthPenaltyIsSeen) {
  EXPECT_LT(agreeing([](BeamOptions& o) { o.length_penalty += 0.1; }), 12);
}

TEST(BeamSearchTwins, FewerBeamsAreSeen) {
  EXPECT_LT(agreeing([](BeamOptions& o) { o.beams = std::max(1, o.beams - 1); }), 12);
}

TEST(BeamSearchTwins, ATokenThatShouldBeSuppressedIsSeen) {
  EXPECT_LT(agreeing([](BeamOptions& o) { o.suppressed.assign(o.suppressed.size(), false); }), 6);
}

// A chain over three tokens (2 ends) whose best sentences can be counted by hand.
std::vector<Hypothesis> toy(int beams, double penalty, int most = 4) {
  // p(next | last): after the start and after 0: 0.6, 0.3, 0.1; after 1: 0.1, 0.1, 0.8
  const auto row = [](int last) {
    std::vector<float> p = last == 1 ? std::vector<float>{0.1f, 0.1f, 0.8f} : std::vector<float>{0.6f, 0.3f, 0.1f};
    for (float& v : p) v = std::log(v);
    return p;
  };
  std::vector<float> logits;
  BeamOptions o;
  o.beams = beams;
  o.length_penalty = penalty;
  o.max_new_tokens = most;
  o.end_token = 2;
  return beam_search(
      row(0),
      [&](std::span<const int> tokens, std::span<const int>) -> std::span<const float> {
        logits.clear();
        for (const int t : tokens)
          for (const float v : row(t)) logits.push_back(v);
        return logits;
      },
      o);
}

TEST(BeamSearch, FindsWhatGreedyMisses) {
  EXPECT_EQ(toy(1, 0)[0].tokens, (std::vector<int>{0, 0, 0, 0}));  // 0.6^4 = 0.13, cut off
  const std::vector<Hypothesis> found = toy(2, 0);
  EXPECT_EQ(found[0].tokens, (std::vector<int>{1, 2}));  // 0.3 x 0.8 = 0.24
  EXPECT_NEAR(found[0].score, std::log(0.24), 1e-6);
}

// Per token, 0 1 end (0.6 x 0.3 x 0.8 over three) beats 1 end (0.3 x 0.8 over two), which alone would win.
TEST(BeamSearch, CountsTheEndTokenInTheLength) {
  const std::vector<Hypothesis> found = toy(2, 1);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].tokens, (std::vector<int>{0, 1, 2}));
  EXPECT_NEAR(found[0].score, std::log(0.144) / 3, 1e-6);
  EXPECT_NEAR(found[1].score, std::log(0.24) / 2, 1e-6);
}

TEST(BeamSearch, StopsAtTheLimitWithWhatItHas) {
  for (const Hypothesis& h : toy(2, 0, 1)) EXPECT_EQ(h.tokens.size(), 1u);
  EXPECT_EQ(toy(2, 0, 1).size(), 2u);
}

}  // namespace
}  // namespace cp
