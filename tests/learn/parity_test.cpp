// The two engines on the same folder: networks of learn/ against runtime/, on made-up pairs always and on the real
// validation pairs where they are.
#include <cmath>

#include "data/levir.h"
#include "data/synth.h"
#include "image/read.h"
#include "learn/engine.h"
#include "runtime/session.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kFloat = Tol::rel(1e-4, "float32 in both engines, sums in another order");

std::filesystem::path nano() { return test::source_dir() / "models/nano"; }
bool have_nano() { return std::filesystem::exists(nano() / "changepilot.json"); }

struct Both {
  Answer answer;
  Trace trace;
  EngineAnswer engine;
};

Both run_both(const Session& session, const NanoModel& model, const Image& before, const Image& after,
              std::uint64_t seed) {
  Both both;
  AnswerOptions options;
  options.seed = seed;
  both.answer = session.answer(before, after, options, &both.trace);
  both.engine = answer_by_training_engine(model, both.trace.before.strides, both.trace.after.strides, seed);
  return both;
}

void expect_equal(const Both& b, const std::string& name) {
  EXPECT_TRUE(close(name + " map", b.answer.map, b.engine.map, kFloat));
  EXPECT_NEAR(b.answer.flag, b.engine.flag, 1e-4 * std::max(1.f, std::abs(b.engine.flag)));
  EXPECT_TRUE(close(name + " embeddings", b.trace.embeddings, b.engine.embeddings, kFloat));
  EXPECT_TRUE(close(name + " hidden", b.trace.hidden, b.engine.hidden, kFloat));
  EXPECT_TRUE(close(name + " logits", b.trace.logits, b.engine.logits, kFloat));
  EXPECT_TRUE(close(name + " samples", b.answer.samples, b.engine.samples,
                    Tol::abs(2e-3, "ten denoising steps amplify float32 rounding")));
  EXPECT_EQ(b.answer.caption, b.engine.caption) << name;
  // A mode of samples that are equal to 2e-3 of [-1, 1]; another mode would be .04 away or more.
  EXPECT_NEAR(b.answer.action.x, b.engine.x, 1e-3) << name;
  EXPECT_NEAR(b.answer.action.y, b.engine.y, 1e-3) << name;
}

TEST(EngineParity, SyntheticPairsGetTheSameAnswers) {
  ASSERT_TRUE(have_nano());
  const Session session = Session::open(nano());
  const NanoModel model = NanoModel::load(nano());
  for (int i = 0; i < 6; ++i) {
    const SynthPair pair = make_synth_pair(11, static_cast<std::uint64_t>(i));
    expect_equal(run_both(session, model, pair.before, pair.after, static_cast<std::uint64_t>(i)),
                 "synthetic " + std::to_string(i));
  }
}

TEST(EngineParity, RealValidationPairsGetTheSameAnswers) {
  CP_SKIP_WITHOUT_DATA(data, "levir-mini");
  ASSERT_TRUE(have_nano());
  const Session session = Session::open(nano());
  const NanoModel model = NanoModel::load(nano());
  const std::vector<PairRecord> pairs = pairs_of_split(read_levir(data), "val");
  ASSERT_EQ(pairs.size(), 93u);
  for (const PairRecord& pair : pairs)
    expect_equal(run_both(session, model, read_rgb(pair.before), read_rgb(pair.after), 0), pair.name);
}

TEST(EngineParity, ChangedWeightsAreSeen) {
  ASSERT_TRUE(have_nano());
  const Session session = Session::open(nano());
  NanoModel model = NanoModel::load(nano());
  at::NoGradGuard no_grad;
  model.language.params["model.layers.0.self_attn.q_proj.bias"].add_(0.1);
  model.fusion.params["fusion.conv1.bias"].add_(0.1);
  const SynthPair pair = make_synth_pair(11, 0);
  const Both both = run_both(session, model, pair.before, pair.after, 0);
  EXPECT_FALSE(close("hidden", both.trace.hidden, both.engine.hidden, kFloat));
  EXPECT_FALSE(close("map", both.answer.map, both.engine.map, kFloat));
}

}  // namespace
}  // namespace cp
