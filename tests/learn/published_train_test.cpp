// Whole training runs of the published design on synthetic pairs, as `changepilot train` makes them.
#include <sys/mman.h>

#include "core/file.h"
#include "image/read.h"
#include "in_child.h"
#include "learn/device.h"
#include "learn/published_recipe.h"
#include "learn/train.h"
#include "runtime/session.h"
#include "small_published.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
using test::close;
using test::small_published;
using test::throws_user_error;
using test::Tol;

fs::path last(const PublishedConfig& c) { return fs::path(c.out) / "checkpoints/last"; }

std::string weights(const PublishedConfig& c) {
  return read_file(last(c) / "training_state/weights.safetensors", 1 << 26, ErrorKind::model);
}

const PublishedConfig& uninterrupted() {
  static const PublishedConfig c = [] {
    PublishedConfig config = small_published("whole");
    EXPECT_EQ(run_training(config, {}), 0);
    return config;
  }();
  return c;
}

TEST(PublishedTraining, ResumedEqualsUninterruptedToTheBitWhereverItStops) {
  int visited = 0;
  for (const int stop : {1, 4, 9, 11}) {  // in the caption stage, at an epoch's end, in the head stage twice
    const PublishedConfig c = small_published("stopped-" + std::to_string(stop));
    EXPECT_EQ(run_training(c, {0, false, stop}), 130);
    EXPECT_EQ(run_training(c, {0, true, 1}), 130);
    EXPECT_EQ(run_training(c, {0, true, 0}), 0);
    EXPECT_TRUE(weights(c) == weights(uninterrupted())) << "stopped after " << stop;
    ++visited;
  }
  EXPECT_EQ(visited, 4);
}

TEST(PublishedTraining, PhasesRunOneByOneGiveTheSameWeights) {
  const PublishedConfig c = small_published("phases");
  EXPECT_EQ(run_training(c, {1, false, 0}), 0);
  EXPECT_FALSE(weights(c) == weights(uninterrupted()));
  EXPECT_EQ(run_training(c, {2, false, 0}), 0);
  EXPECT_TRUE(weights(c) == weights(uninterrupted()));
}

TEST(PublishedTraining, EveryTrainablePartMovesAndTheBaseDoesNot) {
  int visited = 0;
  for (const std::string strategy : {"phases", "joint"}) {
    PublishedConfig c = small_published("moves-" + strategy);
    c.strategy = strategy;
    c.parts = "copy";
    EXPECT_EQ(run_training(c, {}), 0);
    const SafeTensors now = SafeTensors::open(last(c) / "training_state/weights.safetensors");
    PublishedModel start(fs::path(c.out) / "start", c);
    for (const auto& [set, prefix] : start.weights())
      for (const std::string& name : set->names()) {
        const std::vector<std::int64_t> shape = (*set)[name].sizes().vec();
        EXPECT_FALSE(now.floats(prefix + name, shape) == to_floats((*set)[name])) << strategy << " " << prefix + name;
        ++visited;
      }
    EXPECT_TRUE(test::slurp(last(c) / "model/language/model.safetensors") ==
                test::slurp(frozen_language(c) / "model.safetensors"));
  }
  EXPECT_GT(visited, 40);
}

TEST(PublishedTraining, TheRuntimeOpensTheResultAndComputesTheSame) {
  const PublishedConfig& c = uninterrupted();
  // Exact: the fast products of NF4 weights round activations to 8 bits.
  const Session session = Session::open(last(c) / "model", {.exact = true});
  const PairRecord pair = read_pair_records(c).val.front();
  Trace trace;
  const Answer answer = session.answer(read_rgb(pair.before), read_rgb(pair.after), {}, &trace);
  EXPECT_FALSE(answer.captions.empty());

  PublishedModel model(last(c) / "model", c);
  model.language.lora->load(read_adapter(last(c) / "model/adapter", language_linears(model.language.config())).modules);
  at::NoGradGuard no_grad;
  const auto row = [&](const VisionFeatures& f) { return at::tensor(f.pooled).view({1, 1, -1}); };
  const at::Tensor visual = model.fusion.forward(row(trace.before), row(trace.after)).embeddings;
  EXPECT_TRUE(close("visual", to_floats(visual), trace.embeddings, Tol::rel(1e-5, "float32, another order of sums")));
  const CaptionRows rows = packed_rows({{&trace.prompt, {{1}}}});
  const at::Tensor hidden = hidden_states(model.language, rows, visual, false);
  EXPECT_TRUE(close("hidden", to_floats(hidden), trace.hidden, Tol::rel(1e-4, "float32, another order of sums")));
  // The twin: without what training gave the adapter.
  PublishedModel untrained(last(c) / "model", c);
  EXPECT_FALSE(close("hidden", to_floats(hidden_states(untrained.language, rows, visual, false)), trace.hidden,
                     Tol::rel(1e-4, "far")));
}

TEST(PublishedTraining, PatchFusionTrainsItsMapToo) {
  PublishedConfig c = small_published("patch");
  c.vision = test::make_small_clip("published_clip").string();
  c.fusion.kind = "patch";
  c.head.condition = "visual_attention";
  EXPECT_EQ(run_training(c, {}), 0);
  const Session session = Session::open(last(c) / "model");
  const PairRecord pair = read_pair_records(c).val.front();
  EXPECT_EQ(session.answer(read_rgb(pair.before), read_rgb(pair.after)).map.size(), 64u * 64u);
}

// Resident memory also holds what RLIMIT_DATA does not count: here the peak is above the limit before training begins.
TEST(PublishedTraining, ARunThatPassesItsLimitIsSavedAndStoppedAndGoesOn) {
  PublishedConfig c = small_published("over-limit");
  EXPECT_TRUE(test::in_child([&] {
    constexpr std::size_t kBytes = std::size_t{512} << 20;
    void* big = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (big == MAP_FAILED) return false;
    ::munmap(big, kBytes);
    c.memory_limit = std::to_string(device_memory(at::kCPU).peak - (64 << 20));
    return bool(throws_user_error([&] { run_training(c, {}); }, ErrorKind::memory, {"saved and stopped", "--resume"}));
  }));
  EXPECT_NE(fs::read_symlink(last(c)).string().find("000001"), std::string::npos) << "saved after the first update";
  EXPECT_EQ(run_training(c, {0, true, 0}), 0);
  EXPECT_TRUE(weights(c) == weights(uninterrupted()));
}

TEST(PublishedTraining, MistakesAreNamedBeforeAnythingIsRead) {
  const auto refuses = [](const char* field, const auto& change) {
    PublishedConfig c = small_published("mistake");
    change(c);
    return throws_user_error([&] { run_training(c, {}); }, ErrorKind::usage, {field});
  };
  EXPECT_TRUE(refuses("language", [](auto& c) { c.language = ""; }));
  EXPECT_TRUE(refuses("quantize", [](auto& c) { c.quantize = "nf5"; }));
  EXPECT_TRUE(refuses("strategy", [](auto& c) { c.strategy = "both"; }));
  EXPECT_TRUE(refuses("fusion.kind", [](auto& c) { c.fusion.kind = "add"; }));
  EXPECT_TRUE(refuses("lora.r", [](auto& c) { c.lora.r = 0; }));
  EXPECT_TRUE(refuses("compute", [](auto& c) { c.compute = "float8"; }));
  EXPECT_TRUE(refuses("memory_limit", [](auto& c) { c.memory_limit = "8 bananas"; }));
  EXPECT_FALSE(fs::exists(small_published("mistake").out));
}

}  // namespace
}  // namespace cp
