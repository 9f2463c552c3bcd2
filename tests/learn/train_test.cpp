// Whole training runs on synthetic pairs: a stopped and resumed run ends with the weights of one that was never
// stopped.
#include <fstream>
#include <sstream>

#include "core/file.h"
#include "data/synth.h"
#include "formats/safetensors.h"
#include "learn/train.h"
#include "support/test_support.h"

namespace cp {
namespace {

namespace fs = std::filesystem;

TrainConfig tiny_config(const std::string& run) {
  static const fs::path root = [] {
    const fs::path folder = test::fresh_folder("train");
    SynthOptions o;
    o.out = (folder / "data").string();
    o.pairs = 12, o.val_share = 0.25, o.seed = 4;
    write_synth_dataset(o);
    return folder;
  }();
  TrainConfig c;
  c.data = (root / "data").string();
  c.text_data = "";
  c.vision = (test::source_dir() / "models/nano/vision").string();
  c.out = (root / run).string();
  c.cache = (root / "cache").string();
  c.threads = 1, c.views = 2, c.folds = 0, c.seed = 3;
  c.language.hidden_size = 32, c.language.layers = 2, c.language.intermediate_size = 48, c.language.vocabulary = 320,
  c.language.concepts = 10;
  c.text.epochs = 1, c.text.batch_size = 8;
  c.map.epochs = 2, c.map.batch_size = 4;
  c.caption.epochs = 2, c.caption.batch_size = 2;
  c.head.epochs = 2, c.head.batch_size = 4, c.head.draws = 2;
  return c;
}

std::string weights(const TrainConfig& c) {
  return read_file(fs::path(c.out) / "checkpoints/last/training_state/weights.safetensors", 1 << 28, ErrorKind::model);
}

int count_lines(const TrainConfig& c) {
  std::istringstream text(read_file(fs::path(c.out) / "metrics.jsonl", 1 << 24, ErrorKind::data));
  int n = 0;
  for (std::string line; std::getline(text, line);) ++n;
  return n;
}

const TrainConfig& uninterrupted() {
  static const TrainConfig c = [] {
    TrainConfig config = tiny_config("whole");
    EXPECT_EQ(run_training(config, {}), 0);
    return config;
  }();
  return c;
}

TEST(Training, ResumedEqualsUninterruptedToTheBitWhereverItStops) {
  int visited = 0;
  // In the text stage, in mid-epoch of the map stage, at an epoch's end, in the caption stage, in the head stage.
  for (const int stop : {2, 7, 9, 12, 16}) {
    const TrainConfig c = tiny_config("stopped-" + std::to_string(stop));
    EXPECT_EQ(run_training(c, {0, false, stop}), 130);
    EXPECT_EQ(run_training(c, {0, true, 1}), 130);  // stopped again after one update
    EXPECT_EQ(run_training(c, {0, true, 0}), 0);
    EXPECT_TRUE(weights(c) == weights(uninterrupted())) << "stopped after " << stop;
    EXPECT_EQ(count_lines(c), count_lines(uninterrupted()));
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(Training, AnotherSeedGivesOtherWeights) {
  TrainConfig c = tiny_config("other");
  c.seed = 4;
  EXPECT_EQ(run_training(c, {}), 0);
  EXPECT_FALSE(weights(c) == weights(uninterrupted()));
}

TEST(Training, PhasesRunOneByOneGiveTheSameWeights) {
  const TrainConfig c = tiny_config("phases");
  EXPECT_EQ(run_training(c, {1, false, 0}), 0);
  EXPECT_EQ(run_training(c, {2, false, 0}), 0);
  EXPECT_TRUE(weights(c) == weights(uninterrupted()));
}

TEST(Training, MistakesAreNamed) {
  using test::throws_user_error;
  EXPECT_TRUE(throws_user_error(
      [] {
        run_training(tiny_config("empty"), {0, true, 0});
      },
      ErrorKind::model, {"no checkpoint"}));
  EXPECT_TRUE(
      throws_user_error([] { run_training(uninterrupted(), {}); }, ErrorKind::usage, {"earlier run", "--resume"}));
  TrainConfig changed = uninterrupted();
  changed.caption.learning_rate = 5;
  EXPECT_TRUE(throws_user_error(
      [&] {
        run_training(changed, {0, true, 0});
      },
      ErrorKind::usage, {"caption.learning_rate", "changed"}));
  TrainConfig large = tiny_config("large");
  large.map.batch_size = 1000;
  EXPECT_TRUE(throws_user_error([&] { run_training(large, {}); }, ErrorKind::usage, {"map.batch_size", "1000"}));
}

TEST(Training, ADamagedCheckpointIsSetAsideForTheOneBefore) {
  const TrainConfig c = tiny_config("damaged");
  EXPECT_EQ(run_training(c, {1, false, 0}), 0);
  const fs::path last = fs::canonical(fs::path(c.out) / "checkpoints/last");
  const fs::path file = last / "training_state/weights.safetensors";
  std::string bytes = read_file(file, 1 << 28, ErrorKind::model);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(file, std::ios::binary) << bytes;
  EXPECT_EQ(run_training(c, {0, true, 0}), 0);
  EXPECT_TRUE(fs::exists(last.string() + ".bad"));
  EXPECT_TRUE(weights(c) == weights(uninterrupted()));
}

}  // namespace
}  // namespace cp
