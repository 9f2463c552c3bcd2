// Whole training runs on synthetic pairs: a stopped and resumed run ends with the weights of one that was never
// stopped.
#include <fstream>

#include "formats/safetensors.h"
#include "small_nano.h"

namespace cp {
namespace {

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
