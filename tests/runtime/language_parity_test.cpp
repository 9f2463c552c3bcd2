// Language models of both architectures against transformers: small random ones, and full size on request.
#include <chrono>
#include <iostream>

#include <fmt/format.h>

#include "language_golden.h"
#include "runtime/beam.h"
#include "runtime/language_model.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kFloat = Tol::rel(1e-5, "float32 against float64 through two layers");

std::vector<float> logits_of(const LanguageModel& model, const std::vector<int>& ids) {
  LanguageModel::Cache cache;
  return model.logits(model.prefill(model.embed(ids), cache));
}

std::vector<int> greedy(const LanguageModel& model, const std::vector<int>& ids, int count) {
  LanguageModel::Cache cache;
  const std::vector<float> hidden = model.prefill(model.embed(ids), cache);
  std::vector<float> next = model.logits(std::span(hidden).last(static_cast<std::size_t>(model.hidden())));
  BeamOptions options;
  options.beams = 1;
  options.max_new_tokens = count;
  const BeamStep step = [&](std::span<const int> tokens, std::span<const int> parents) -> std::span<const float> {
    next = model.logits(model.decode(tokens, parents, cache));
    return next;
  };
  return beam_search(std::vector<float>(next), step, options).front().tokens;
}

TEST(LanguageParity, EqualsTransformersInBothArchitectures) {
  int visited = 0;
  for (const auto& [name, golden] : test::language_golden().items()) {
    const test::GoldenLanguage g = test::make_language(golden);
    const LanguageModel model = LanguageModel::load(g.config, g.file);
    for (std::size_t i = 0; i < golden["prompts"].size(); ++i)
      EXPECT_TRUE(
          close(name, logits_of(model, golden["prompts"][i]), golden["logits"][i].get<std::vector<float>>(), kFloat));
    const std::vector<int> want = golden["greedy"];
    EXPECT_EQ(greedy(model, golden["prompts"][0], static_cast<int>(want.size())), want) << name;
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(LanguageParity, AnotherConfigurationIsSeen) {
  const Json& golden = test::language_golden()["qwen2"];
  const test::GoldenLanguage g = test::make_language(golden);
  const std::vector<float> want = golden["logits"][0];
  int visited = 0;
  const auto differs = [&](auto change) {
    LanguageConfig config = g.config;
    change(config);
    EXPECT_FALSE(close("logits", logits_of(LanguageModel::load(config, g.file), golden["prompts"][0]), want, kFloat));
    ++visited;
  };
  differs([](LanguageConfig& c) { c.rope_theta = 10100; });
  differs([](LanguageConfig& c) { c.rms_norm_eps = 1e-3; });
  EXPECT_EQ(visited, 2);
}

// Random weights of full size: what is asked for is agreement of float32 sums, and equal greedy tokens.
TEST(LanguageParity, FullSizeEqualsTransformers) {
  CP_SKIP_WITHOUT_LANGUAGE(full, "CP_LANGUAGE");
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel model = LanguageModel::load(full.folder);
  const std::chrono::duration<double> load = std::chrono::steady_clock::now() - start;
  const std::vector<int> ids = full.ints("ids"), want = full.ints("greedy.float32");
  const std::vector<float> got = logits_of(model, ids);
  const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(ids.size()), model.config().vocab_size};
  const double exact = test::relative_error(got, full.golden.floats("logits.float32", shape));
  const double rough = test::relative_error(got, full.golden.floats("logits.bfloat16", shape));
  std::cout << "load " << load.count() << " s; logits against float32 " << exact << ", against bfloat16 " << rough
            << "\n";
  EXPECT_LT(exact, 1e-4);
  EXPECT_LT(rough, 0.2);
  EXPECT_EQ(greedy(model, ids, static_cast<int>(want.size())), want);
}

// Real weights (smollm2_continue.py): the tokens that a person would read, of texts and of conversations.
TEST(LanguageParity, ContinuesTextsAsTransformersDoes) {
  CP_SKIP_WITHOUT_LANGUAGE(full, "CP_SMOLLM2");
  LanguageConfig config = read_language_config(full.folder / "config.json");
  const SafeTensors file = SafeTensors::open(full.folder);
  const auto same_continuations = [&] {
    const LanguageModel model = LanguageModel::load(config, file);
    int same = 0;
    for (int i = 0; i < test::kContinuedPrompts; ++i) {
      const std::vector<int> want = full.ints(fmt::format("continuation.{}", i));
      same += greedy(model, full.ints(fmt::format("ids.{}", i)), static_cast<int>(want.size())) == want;
    }
    return same;
  };
  EXPECT_EQ(same_continuations(), test::kContinuedPrompts);
  config.rope_theta *= 1.25;
  EXPECT_LT(same_continuations(), test::kContinuedPrompts) << "the twin: another rotary base";
}

}  // namespace
}  // namespace cp
