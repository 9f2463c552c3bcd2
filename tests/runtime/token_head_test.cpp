#include "runtime/token_head.h"

#include <set>

#include "core/rng.h"
#include "random_nano.h"
#include "runtime/sampling.h"

namespace cp {
namespace {

const BpeTokenizer& tokenizer() {
  static const BpeTokenizer t = BpeTokenizer::load(test::golden("runtime/tokenizer.json"));
  return t;
}

const LanguageModel& model() {
  static const LanguageModel m = LanguageModel::load(
      test::random_language_config(),
      SafeTensors::parse(encode_safetensors(test::random_weights(test::language_shapes(), 0)), "test"));
  return m;
}

std::vector<bool> suppressed() {
  std::vector<bool> out;
  for (int id = 0; id < model().config().vocab_size; ++id)
    out.push_back(id >= tokenizer().size() ||
                  (tokenizer().is_control(id) && id != tokenizer().control_id("<|im_end|>")));
  return out;
}

const std::vector<int> kPrompt = {5, 9, 2, 7, 11};

// The digit that follows `ids`, by a prefill over all of them instead of a cache.
int next_digit(std::vector<int> ids, const ActionSpelling& spelling, int slot, int draw, std::uint64_t seed) {
  LanguageModel::Cache cache;
  const std::vector<float> hidden = model().prefill(model().embed(ids), cache);
  const std::vector<float> logits = model().logits(std::span(hidden).last(test::kHidden));
  std::vector<float> digits;
  for (int d = 0; d < spelling.choices(slot); ++d)
    digits.push_back(logits[static_cast<std::size_t>(spelling.digits()[static_cast<std::size_t>(d)])]);
  Rng rng(seed, Stream::token_sampling, static_cast<std::uint32_t>(draw), static_cast<std::uint64_t>(slot));
  return draw_token(digits, rng.uniform());
}

// All draws again, one at a time; `swapped` writes the y before the x: the planted fault.
std::vector<float> recomputed(const std::vector<int>& before, int count, std::uint64_t seed, bool swapped) {
  const ActionSpelling spelling(tokenizer());
  std::vector<float> out;
  for (int draw = 0; draw < count; ++draw) {
    std::vector<int> ids = before;
    int digit[kActionSlots] = {};
    for (int slot = 0; slot < kActionSlots; ++slot) {
      const std::vector<int>& lead = spelling.lead(swapped && slot < 4 ? 2 - slot / 2 * 2 + slot % 2 : slot);
      ids.insert(ids.end(), lead.begin(), lead.end());
      digit[slot] = next_digit(ids, spelling, slot, draw, seed);
      ids.push_back(spelling.digits()[static_cast<std::size_t>(digit[slot])]);
    }
    out.push_back(static_cast<float>((2 * (10 * digit[0] + digit[1]) + 1) / 100.0 - 1));
    out.push_back(static_cast<float>((2 * (10 * digit[2] + digit[3]) + 1) / 100.0 - 1));
    out.push_back(digit[4] ? 1.f : -1.f);
  }
  return out;
}

TEST(TokenHead, DrawsFromTheModelsOwnDigits) {
  const TokenHead head(tokenizer(), false);
  const TokenHead::Written written = head.write(model(), model().embed(kPrompt), suppressed(), 12, 3);
  const test::Tol same = test::Tol::abs(1e-6, "the same bins, rounded to float32");
  EXPECT_TRUE(test::close("samples", written.samples, recomputed(kPrompt, 12, 3, false), same));
  EXPECT_FALSE(test::close("samples", written.samples, recomputed(kPrompt, 12, 3, true), same));
  EXPECT_TRUE(written.thought.empty());
  EXPECT_GT(std::set<float>(written.samples.begin(), written.samples.end()).size(), 3u) << "draws differ";
  // Fewer draws are the first of more.
  const std::vector<float> fewer = head.write(model(), model().embed(kPrompt), suppressed(), 5, 3).samples;
  EXPECT_TRUE(test::close("fewer", fewer, std::span(written.samples).first(15), same));
  EXPECT_NE(head.write(model(), model().embed(kPrompt), suppressed(), 12, 4).samples, written.samples);
}

TEST(TokenHead, AThoughtIsWrittenGreedilyAndTheActionFollowsIt) {
  const TokenHead head(tokenizer(), true);
  const TokenHead::Written written = head.write(model(), model().embed(kPrompt), suppressed(), 4, 3);
  EXPECT_LE(static_cast<int>(written.thought.size()), TokenHead::kMostThought);
  std::vector<int> ids = kPrompt;
  for (const int id : written.thought) {
    LanguageModel::Cache cache;
    const std::vector<float> hidden = model().prefill(model().embed(ids), cache);
    const std::vector<float> logits = model().logits(std::span(hidden).last(test::kHidden));
    float most = -1e30f;
    for (std::size_t other = 0; other < logits.size(); ++other)
      if (!suppressed()[other]) most = std::max(most, logits[other]);
    EXPECT_LE(most, logits[static_cast<std::size_t>(id)] + 1e-4f);
    ids.push_back(id);
  }
  ids.push_back(tokenizer().control_id("<|im_start|>"));
  const test::Tol same = test::Tol::abs(1e-6, "the same bins, rounded to float32");
  EXPECT_TRUE(test::close("samples", written.samples, recomputed(ids, 4, 3, false), same));
}

}  // namespace
}  // namespace cp
