// Actions as text, with and without a chain of thought; a share of the data.
#include <algorithm>
#include <cmath>
#include <set>

#include "image/read.h"
#include "learn/stages.h"
#include "runtime/session.h"
#include "small_nano.h"

namespace cp {
namespace {

std::string model_of(const TrainConfig& c) { return (fs::path(c.out) / "checkpoints/last/model").string(); }

TEST(TokenHeadTraining, WritesActionsEndToEnd) {
  for (const char* actions : {"direct", "thought"}) {
    TrainConfig c = tiny_config(std::string("token-") + actions);
    c.caption.actions = actions, c.caption.action_share = 0.5, c.head.kind = "token";
    ASSERT_EQ(run_training(c, {}), 0);
    const Session session = Session::open(model_of(c));
    EXPECT_EQ(session.manifest().head.kind, "token");
    EXPECT_EQ(session.manifest().head.thought, std::string(actions) == "thought");
    const TrainData data = load_train_data(c, "", {});
    const PairRecord& pair = data.val.front().record;
    AnswerOptions options;
    options.num_samples = 9;
    const Answer answer = session.answer(read_rgb(pair.before), read_rgb(pair.after), options);
    ASSERT_EQ(answer.samples.size(), 27u);
    for (std::size_t i = 0; i < answer.samples.size(); i += 3) {
      const double bin = (answer.samples[i] + 1) * 50 - 0.5;
      EXPECT_NEAR(bin, std::round(bin), 1e-3);
      EXPECT_EQ(std::abs(answer.samples[i + 2]), 1.f);
    }
  }
}

TEST(TokenHeadTraining, AsksForActionsAsOftenAsItIsTold) {
  TrainConfig c = tiny_config("share-of-actions");
  c.caption.actions = "direct", c.caption.action_share = 0;
  TrainConfig none = c;
  none.caption.actions = "none", none.out += "-none";
  ASSERT_EQ(run_training(c, {0, false, 0}), 0);
  ASSERT_EQ(run_training(none, {0, false, 0}), 0);
  EXPECT_EQ(weights(c), weights(none)) << "a share of 0 trains as if nobody had asked";
  TrainConfig some = c;
  some.caption.action_share = 0.9, some.out += "-some";
  ASSERT_EQ(run_training(some, {0, false, 0}), 0);
  EXPECT_NE(weights(c), weights(some));
}

TEST(TokenHeadTraining, MistakesAreNamed) {
  const auto fails = [](const TrainConfig& c, std::initializer_list<const char*> said) {
    return test::throws_user_error([&] { run_training(c, {}); }, ErrorKind::usage, said);
  };
  TrainConfig c = tiny_config("token-mistake");
  c.head.kind = "token";
  EXPECT_TRUE(fails(c, {"head.kind", "caption.actions"}));
  c.caption.actions = "tokens";
  EXPECT_TRUE(fails(c, {"caption.actions", "thought"}));
  c.caption.actions = "direct", c.caption.action_share = 1;
  EXPECT_TRUE(fails(c, {"caption.action_share"}));
  c.caption.action_share = 0.5, c.data_share = 0;
  EXPECT_TRUE(fails(c, {"data_share"}));
}

TEST(DataShare, SmallerSharesArePartsOfLargerOnes) {
  TrainConfig c = tiny_config("data-share");
  SynthOptions o;
  o.out = (test::fresh_folder("scenes") / "data").string();
  o.pairs = 72, o.val_share = 0.1, o.seed = 4;  // 16 pairs a scene
  write_synth_dataset(o);
  c.data = o.out, c.views = 1;
  std::set<std::string> before;
  std::size_t all = 0;
  for (const double share : {0.3, 0.6, 1.0}) {
    c.data_share = share;
    const TrainData data = load_train_data(c, "", {});
    std::set<std::string> names;
    for (const TrainPair& pair : data.train) names.insert(pair.record.name);
    EXPECT_TRUE(std::includes(names.begin(), names.end(), before.begin(), before.end())) << share;
    EXPECT_GT(names.size(), before.size()) << share;
    before = names;
    all = std::max(all, names.size());
  }
  // The features go with their pairs.
  c.data_share = 1;
  const TrainData whole = load_train_data(c, "", {});
  c.data_share = 0.3;
  const TrainData part = load_train_data(c, "", {});
  EXPECT_LT(part.train.size(), all);
  for (std::size_t i = 0; i < part.train.size(); ++i)
    for (std::size_t k = 0; k < whole.train.size(); ++k) {
      if (part.train[i].record.name != whole.train[k].record.name) continue;
      EXPECT_TRUE(std::equal(part.train_features.row(i, 0), part.train_features.row(i, 0) + 4096,
                             whole.train_features.row(k, 0)))
          << part.train[i].record.name;
    }
}

}  // namespace
}  // namespace cp
