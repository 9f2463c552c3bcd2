// Every stage of an answer against tests/oracle/nano_reference.py (NumPy in float64 and transformers), and faults
// planted in the weights or the inputs, each of which must be seen.

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "random_nano.h"
#include "runtime/session.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Json& reference() {
  static const Json json = read_json(test::golden("runtime/nano.json"), ErrorKind::data);
  return json;
}

std::vector<float> floats(const Json& json) { return json.get<std::vector<float>>(); }

struct PairRun {
  Answer answer;
  Trace trace;
};

PairRun run_pair(const Session& session, int index, bool swapped = false) {
  const auto [before, after] = test::random_pair(index);
  AnswerOptions options;
  options.seed = static_cast<std::uint64_t>(index);
  PairRun r;
  r.answer =
      swapped ? session.answer(after, before, options, &r.trace) : session.answer(before, after, options, &r.trace);
  return r;
}

const Session& session() {
  static const Session s = Session::open(test::make_random_nano("nano"));
  return s;
}

const Tol kVision = Tol::rel(2e-5, "float32 through 48 layers against float64; 1.2e-5 is the most seen on real pairs");
const Tol kFusion = Tol::rel(5e-5, "float32 sums of up to 576 products on top of the vision features");
const Tol kLanguage = Tol::rel(1e-4, "float32 on both sides, on embeddings that differ by 5e-5");

TEST(NanoParity, EveryStageEqualsTheReference) {
  int visited = 0;
  for (const Json& want : reference().at("pairs")) {
    const PairRun r = run_pair(session(), visited);
    EXPECT_TRUE(close("s8", test::thinned(r.trace.before.strides.s8, 211), floats(want["features"]["8"]), kVision));
    EXPECT_TRUE(close("s16", test::thinned(r.trace.before.strides.s16, 211), floats(want["features"]["16"]), kVision));
    EXPECT_TRUE(close("s32", test::thinned(r.trace.before.strides.s32, 211), floats(want["features"]["32"]), kVision));
    EXPECT_TRUE(close("map", test::thinned(r.answer.map, 5), floats(want["map"]), kFusion));
    EXPECT_NEAR(r.answer.flag, want["flag"].get<double>(), 1e-4);
    EXPECT_TRUE(close("concepts", r.answer.concepts, floats(want["concepts"]), kFusion));
    EXPECT_TRUE(close("embeddings", r.trace.embeddings, floats(want["embeddings"]), kFusion));
    EXPECT_EQ(r.trace.prompt.ids, want["prompt"].get<std::vector<int>>());
    EXPECT_TRUE(close("hidden", test::thinned(r.trace.hidden, 3), floats(want["hidden"]), kLanguage));
    EXPECT_TRUE(close("logits", r.trace.logits, floats(want["logits"]), kLanguage));
    EXPECT_TRUE(close("condition", r.trace.condition.values, floats(want["condition"]), kLanguage));
    std::vector<float> eps(r.trace.noise.size());
    session().head().denoise(r.trace.noise, 500, 0.078, r.trace.condition, eps);
    EXPECT_TRUE(close("eps", eps, floats(want["eps"]), kLanguage));
    EXPECT_TRUE(close("samples", r.answer.samples, floats(want["samples"]),
                      Tol::abs(2e-3, "the first step divides an error of 1e-5 by sqrt(A_999) = 0.006")));
    ++visited;
  }
  EXPECT_EQ(visited, 2);
}

TEST(NanoParity, CaptionsAndActionEqualTheReference) {
  int captions = 0, pairs = 0;
  for (const Json& want : reference().at("pairs")) {
    const PairRun r = run_pair(session(), pairs++);
    EXPECT_EQ(r.answer.changed, want["changed"].get<bool>());
    ASSERT_EQ(r.answer.captions.size(), want["captions"].size());
    for (std::size_t i = 0; i < r.answer.captions.size(); ++i, ++captions) {
      EXPECT_EQ(r.answer.captions[i].text, want["captions"][i]["text"].get<std::string>());
      EXPECT_NEAR(r.answer.captions[i].score, want["captions"][i]["score"].get<double>(), 1e-4);
    }
    EXPECT_EQ(r.answer.caption, r.answer.captions[0].text);
    EXPECT_NEAR(r.trace.point.x, want["point"][0].get<double>(), 2e-3);
    EXPECT_NEAR(r.trace.point.y, want["point"][1].get<double>(), 2e-3);
    EXPECT_DOUBLE_EQ(r.answer.action.x, want["action"]["x"].get<double>());  // the centre of a cell
    EXPECT_DOUBLE_EQ(r.answer.action.y, want["action"]["y"].get<double>());
    EXPECT_EQ(r.answer.action.a, want["action"]["a"].get<int>());
    EXPECT_NEAR(r.answer.action.p_zoom, want["action"]["p_zoom"].get<double>(), 1e-5);
  }
  EXPECT_EQ(pairs, 2);
  EXPECT_EQ(captions, 6);
}

TEST(NanoParity, ChangesAndRegionEqualTheReference) {
  int pairs = 0, changes = 0;
  for (const Json& want : reference().at("pairs")) {
    const PairRun r = run_pair(session(), pairs++);
    EXPECT_EQ(r.answer.changes.size(), want["change_count"].get<std::size_t>());
    for (std::size_t i = 0; i < want["changes"].size(); ++i, ++changes) {
      const Change& got = r.answer.changes.at(i);
      const Json& c = want["changes"][i];
      const double numbers[] = {got.x, got.y, got.box.x0, got.box.y0, got.box.x1, got.box.y1, got.mass};
      const double wanted[] = {c["x"], c["y"], c["box"][0], c["box"][1], c["box"][2], c["box"][3], c["mass"]};
      for (std::size_t k = 0; k < std::size(numbers); ++k)
        EXPECT_NEAR(numbers[k], wanted[k], 2e-3)
            << i << ", " << k << ": samples differ by up to 2e-3 from the reference";
      EXPECT_EQ(got.cells, c["cells"].get<int>());
      EXPECT_NEAR(got.area, c["area"].get<double>(), 1e-3 / 4096);
    }
    EXPECT_EQ(r.answer.region.cells.size(), want["region_count"].get<std::size_t>());
    const std::vector<int> first = want["region"];
    EXPECT_EQ(std::vector<int>(r.answer.region.cells.begin(), r.answer.region.cells.begin() + 100), first);
  }
  EXPECT_EQ(pairs, 2);
  EXPECT_EQ(changes, 24);
}

// ---- Planted faults
// ------------------------------------------------------------------------------------------------------

// Whether the first pair's numbers still agree, stage by stage.
struct Agreement {
  bool map, embeddings, hidden, logits, condition;
};

Agreement agreement(const PairRun& r) {
  const Json& want = reference()["pairs"][0];
  const auto same = [](std::span<const float> got, const Json& json, const Tol& tol) {
    return static_cast<bool>(close("", got, floats(json), tol));
  };
  return {
      same(test::thinned(r.answer.map, 5), want["map"], kFusion), same(r.trace.embeddings, want["embeddings"], kFusion),
      same(test::thinned(r.trace.hidden, 3), want["hidden"], kLanguage),
      same(r.trace.logits, want["logits"], kLanguage), same(r.trace.condition.values, want["condition"], kLanguage)};
}

TEST(NanoParityTwins, SwappingBeforeAndAfterIsSeen) {
  const Agreement a = agreement(run_pair(session(), 0, true));
  EXPECT_FALSE(a.map);
  EXPECT_FALSE(a.embeddings);
}

TEST(NanoParityTwins, AMissingAttentionScaleIsSeen) {
  const Session faulty =
      Session::open(test::make_random_nano("no_scale", test::random_manifest(), [](TensorToWrite& t) {
        if (t.name.find("q_proj") != std::string::npos)  // undoes 1 / sqrt(head_dim)
          for (float& v : t.values) v *= std::sqrt(static_cast<float>(test::kHidden / test::kHeads));
      }));
  const Agreement a = agreement(run_pair(faulty, 0));
  EXPECT_TRUE(a.embeddings) << "only the language model was meddled with";
  EXPECT_FALSE(a.hidden);
  EXPECT_FALSE(a.logits);
}

TEST(NanoParityTwins, AnotherRotaryBaseIsSeen) {
  LanguageConfig config = test::random_language_config();
  config.rope_theta = 20000;
  const Agreement a =
      agreement(run_pair(Session::open(test::make_random_nano("theta", test::random_manifest(), {}, config)), 0));
  EXPECT_TRUE(a.embeddings);
  EXPECT_FALSE(a.hidden);
}

TEST(NanoParityTwins, VisualEmbeddingsOnePositionLateAreSeen) {
  const auto [before, after] = test::random_pair(0);
  Trace trace;
  session().answer(before, after, {}, &trace);
  Prompt late = trace.prompt;
  ++late.visual_begin;
  LanguageModel::Cache cache;
  const std::vector<float> hidden =
      session().language().prefill(session().prompt_embeddings(late, trace.embeddings), cache);
  EXPECT_FALSE(close("hidden", test::thinned(hidden, 3), floats(reference()["pairs"][0]["hidden"]), kLanguage));
}

TEST(NanoParityTwins, ProjectorInputsInAnotherOrderAreSeen) {
  const Session faulty = Session::open(test::make_random_nano("order", test::random_manifest(), [](TensorToWrite& t) {
    if (t.name != "projector.mix.0.weight") return;
    for (std::size_t row = 0; row < t.values.size(); row += 512)  // P(a32) and P(b32) change places
      std::swap_ranges(t.values.begin() + static_cast<std::ptrdiff_t>(row),
                       t.values.begin() + static_cast<std::ptrdiff_t>(row) + 64,
                       t.values.begin() + static_cast<std::ptrdiff_t>(row) + 64);
  }));
  const Agreement a = agreement(run_pair(faulty, 0));
  EXPECT_TRUE(a.map);
  EXPECT_FALSE(a.embeddings);
}

TEST(NanoParityTwins, AConditionWithoutItsPlacesIsSeen) {
  const Session faulty = Session::open(test::make_random_nano("places", test::random_manifest(), [](TensorToWrite& t) {
    if (t.name != "condition.out.weight") return;
    for (std::size_t row = 0; row < t.values.size(); row += 264 + test::kHidden)
      std::fill_n(t.values.begin() + static_cast<std::ptrdiff_t>(row) + 256, 8, 0.f);
  }));
  const Agreement a = agreement(run_pair(faulty, 0));
  EXPECT_TRUE(a.hidden);
  EXPECT_FALSE(a.condition);
}

}  // namespace
}  // namespace cp
