#include "cli/parse.h"

#include <gmock/gmock.h>

#include "core/file.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::throws_user_error;
using ::testing::HasSubstr;

struct TrainOptions {
  int num_epochs = 14;
  double lr = 2e-4;
  bool flip = true;
  template <class V>
  void fields(V& v) {
    v("num_epochs", num_epochs, "passes over the data");
    v("lr", lr, "peak learning rate");
    v("flip", flip, "flip images");
  }
};

struct Parse : ::testing::Test {
  CommandLine line{"infer", "Answers on one pair."};
  std::string before, after, dir, config;
  std::uint64_t seed = 0;
  bool json = false;
  std::vector<std::string> overrides;
  TrainOptions train;

  void SetUp() override {
    line.option("image_before", before, "image before", CommandLine::Need::required);
    line.option("image_after", after, "image after");
    line.option("seed", seed, "seed");
    line.flag("json", json, "print JSON");
  }
  auto refuses(std::vector<std::string> args, std::initializer_list<const char*> parts) {
    return throws_user_error([&] { line.parse(args); }, ErrorKind::usage, parts);
  }
};

TEST_F(Parse, TakesDashesUnderscoresAndEquals) {
  EXPECT_TRUE(line.parse({"--image_before", "A_1.png", "--image-after=B_2.png", "--seed", "7", "--json"}));
  EXPECT_EQ(before, "A_1.png");
  EXPECT_EQ(after, "B_2.png");
  EXPECT_EQ(seed, 7u);
  EXPECT_TRUE(json);
}

TEST_F(Parse, UnknownFlagsGetTheNearestName) {
  EXPECT_TRUE(
      refuses({"--imge-before", "A.png"}, {"unknown option \"--imge-before\"", "Did you mean --image-before?"}));
  EXPECT_TRUE(refuses({"--image-before", "A", "--sed=3"}, {"\"--sed\"", "--seed?"}));
  EXPECT_TRUE(refuses({"--image-before", "A", "-x"}, {"\"-x\"", "changepilot infer --help"}));
  EXPECT_TRUE(refuses({"--image-before", "A", "--Seed", "1"}, {"unknown option \"--Seed\"", "--seed?"}));
}

TEST_F(Parse, RefusesWhatIsMissingRepeatedOrTooMuch) {
  EXPECT_TRUE(refuses({}, {"--image-before is missing", "changepilot infer --help"}));
  EXPECT_TRUE(refuses({"--image-before"}, {"--image-before"}));
  EXPECT_TRUE(refuses({"--image-before", "A", "--image-before", "B"}, {"--image-before"}));
  EXPECT_TRUE(refuses({"--image-before", "A", "B"}, {"unexpected argument \"B\""}));
  EXPECT_TRUE(refuses({"--image-before", "A", "--seed", "-1"}, {"\"seed\"", "0 or more", "-1"}));
  EXPECT_TRUE(refuses({"--image-before", "A", "--json=maybe"}, {"json"}));
}

TEST_F(Parse, HelpNamesEveryFlagAndPrintsOnce) {
  ::testing::internal::CaptureStdout();
  EXPECT_FALSE(line.parse({"--help"}));
  const std::string help = ::testing::internal::GetCapturedStdout();
  for (const char* part :
       {"changepilot infer", "--image-before", "(required)", "--seed", "whole number [0]", "print JSON"})
    EXPECT_THAT(help, HasSubstr(part));
  EXPECT_EQ(help, line.help());
}

TEST_F(Parse, PositionalsThenRest) {
  CommandLine other("dataset check", "Checks.");
  other.positional("DIR", dir, "folder");
  other.rest("more", overrides, "further ones");
  EXPECT_TRUE(other.parse({"data_1", "x=1", "y"}));
  EXPECT_EQ(dir, "data_1");
  EXPECT_THAT(overrides, ::testing::ElementsAre("x=1", "y"));
  EXPECT_TRUE(
      throws_user_error([&] { other.parse({}); }, ErrorKind::usage, {"DIR is missing", "dataset check --help"}));
}

TEST_F(Parse, NothingIsAFlagAfterTwoDashes) {
  CommandLine other("tokenizer encode", "Encodes.");
  other.flag("json", json, "print JSON");
  other.rest("text", overrides, "the text");
  EXPECT_TRUE(other.parse({"--json", "--", "--a_b", "-x", "--", "y"}));
  EXPECT_TRUE(json);
  EXPECT_THAT(overrides, ::testing::ElementsAre("--a_b", "-x", "--", "y"));
  EXPECT_TRUE(other.parse({"--", "--json"}));
  EXPECT_THAT(overrides, ::testing::ElementsAre("--json"));
  EXPECT_TRUE(other.parse({"z", "--"}));
  EXPECT_THAT(overrides, ::testing::ElementsAre("z"));
  EXPECT_TRUE(refuses({"--image-before", "A", "--", "---"}, {"unknown option \"---\""}));
  EXPECT_TRUE(line.parse({"--image-before", "A", "--"}));
}

TEST_F(Parse, OptionalPositionalKeepsItsDefault) {
  CommandLine other("x", "X.");
  dir = "here";
  other.positional("DIR", dir, "folder", CommandLine::Need::optional);
  EXPECT_TRUE(other.parse({}));
  EXPECT_EQ(dir, "here");
}

TEST_F(Parse, FileThenFlagsThenAssignments) {
  const auto path = test::fresh_folder("parse") / "c.yaml";
  write_file_durable(path, "num_epochs: 3\nlr: 1e-3\nflip: true\n");
  CommandLine other("train", "Trains.");
  other.options(train);
  other.config(config);
  EXPECT_TRUE(other.parse({"lr=5e-5", "--num-epochs", "4", "--config", path.string(), "--no-flip", "--lr=1e-2"}));
  EXPECT_EQ(config, path.string());
  EXPECT_EQ(train.num_epochs, 4);
  EXPECT_EQ(train.lr, 5e-5);
  EXPECT_FALSE(train.flip);
  EXPECT_TRUE(throws_user_error([&] { other.parse({"num_epoch=1"}); }, ErrorKind::usage, {"num_epochs"}));
  EXPECT_TRUE(throws_user_error([&] { other.parse({"--num-epoch=1"}); }, ErrorKind::usage, {"--num-epochs?"}));
  EXPECT_TRUE(throws_user_error([&] { other.parse({"--config", "none.yaml"}); }, ErrorKind::usage, {"none.yaml"}));
}

}  // namespace
}  // namespace cp
