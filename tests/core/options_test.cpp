#include "core/options.h"

#include <gmock/gmock.h>

#include "core/file.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::throws_user_error;

struct HeadOptions {
  double lr = 1e-3;
  std::vector<std::string> targets{"q_proj", "v_proj"};
  template <class V>
  void fields(V& v) {
    v("lr", lr, "learning rate of the head");
    v("targets", targets, "names of the layers");
  }
};

struct RunOptions {
  int num_epochs = 14;
  std::uint64_t seed = 0;
  double lr = 2e-4;
  bool resume = false;
  std::string out = "runs/nano";
  std::vector<int> strides{8, 16, 32};
  HeadOptions head;
  template <class V>
  void fields(V& v) {
    v("num_epochs", num_epochs, "passes over the data");
    v("seed", seed, "seed of every random number");
    v("lr", lr, "peak learning rate");
    v("resume", resume, "go on from the last checkpoint");
    v("out", out, "folder of the run");
    v("strides", strides, "strides that are read");
    v("head", head, "action head");
  }
};

struct Options : ::testing::Test {
  RunOptions run;
  OptionSet set{run};
  std::string fault_of(const std::string& yaml) {
    try {
      set.read_yaml_text(yaml, "c.yaml");
    } catch (const UserError& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "";
  }
};

TEST_F(Options, AreNamedByGroupAndField) {
  std::vector<std::string> names;
  for (const Option& option : set.options()) names.push_back(option.name);
  EXPECT_THAT(
      names, ::testing::ElementsAre("num_epochs", "seed", "lr", "resume", "out", "strides", "head.lr", "head.targets"));
}

TEST_F(Options, YamlSetsEveryType) {
  set.read_yaml_text(
      "num_epochs: 3\nseed: 18446744073709551615\nlr: 1e-5\nresume: true\nout: \"a: b\"\n"
      "strides: [4, 8]\nhead:\n  lr: .5\n  targets:\n    - \"one, two\"\n    - three\n",
      "c.yaml");
  EXPECT_EQ(run.num_epochs, 3);
  EXPECT_EQ(run.seed, 18446744073709551615u);
  EXPECT_EQ(run.lr, 1e-5);
  EXPECT_TRUE(run.resume);
  EXPECT_EQ(run.out, "a: b");
  EXPECT_EQ(run.strides, (std::vector<int>{4, 8}));
  EXPECT_EQ(run.head.lr, 0.5);
  EXPECT_EQ(run.head.targets, (std::vector<std::string>{"one, two", "three"}));
}

TEST_F(Options, WrittenYamlReadsBackToTheSameValues) {
  run = {.num_epochs = -1, .seed = 7, .lr = 0.1 + 0.2, .resume = true, .out = "null", .strides = {}, .head = {}};
  run.head.targets = {"a,b", "caf\xc3\xa9 \"x\"", "# no comment", ""};
  RunOptions again;
  OptionSet(again).read_yaml_text(set.to_yaml(), "written");
  EXPECT_EQ(OptionSet(again).to_json(), set.to_json()) << set.to_yaml();
  EXPECT_EQ(again.lr, run.lr);
  EXPECT_THAT(set.to_yaml(), ::testing::HasSubstr("# passes over the data"));
}

TEST_F(Options, JsonIsNested) {
  EXPECT_EQ(set.to_json()["head"]["lr"], 1e-3);
  EXPECT_EQ(set.to_json()["strides"].dump(), "[8,16,32]");
}

TEST_F(Options, AllFaultsOfAFileComeInOneErrorWithTheirLines) {
  const std::string fault = fault_of("num_epoch: 3\nlr: fast\nseed: 1\nseed: 2\nhead:\n  targts: [a]\nout:\n");
  EXPECT_THAT(fault, ::testing::HasSubstr("c.yaml: 5 faults."));
  EXPECT_THAT(fault, ::testing::HasSubstr("line 1: unknown option \"num_epoch\". Did you mean \"num_epochs\"?"));
  EXPECT_THAT(fault, ::testing::HasSubstr("line 2: \"lr\": wanted a number, found \"fast\"."));
  EXPECT_THAT(fault, ::testing::HasSubstr("line 4: \"seed\" stands twice."));
  EXPECT_THAT(fault, ::testing::HasSubstr("line 6: unknown option \"head.targts\". Did you mean \"head.targets\"?"));
  EXPECT_THAT(fault, ::testing::HasSubstr("line 7: \"out\" has no value."));
}

TEST_F(Options, OneFaultNamesFileAndLine) {
  EXPECT_EQ(fault_of("seed: 1\nresume: perhaps\n"),
            "c.yaml:2: \"resume\": wanted true or false, found \"perhaps\". It is the go on from the last checkpoint.");
}

TEST_F(Options, TheSameOptionInTwoSpellingsStandsTwice) {
  EXPECT_THAT(fault_of("num-epochs: 1\nnum_epochs: 2\n"), ::testing::HasSubstr("stands twice"));
  EXPECT_THAT(fault_of("head.lr: 1\nhead: {lr: 2}\n"), ::testing::HasSubstr("stands twice"));
  EXPECT_THAT(fault_of("head: {lr: 1}\nhead: {targets: [x]}\n"), ::testing::HasSubstr("\"head\" stands twice"));
}

TEST_F(Options, HostileYamlIsRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"seed: &a 1\nlr: *a\n", "anchor"},
      {"seed: *a\n", "anchor"},
      {"<<: {seed: 1}\n", "unknown option"},
      {"seed: !!python/object:os.system 1\n", "tag"},
      {"- 1\n- 2\n", "list may stand only as the value"},
      {"just text\n", "wanted \"key: value\""},
      {"seed: 1: 2\n", "not valid YAML"},
      {"seed: [1\n", "c.yaml:"},
      {"seed: [1, [2]]\n", "list may stand only"},
      {"strides: [{a: 1}]\n", "group may stand only"},
      {"? {a: 1}\n: 2\n", "group may stand only"},
      {"seed: [1]\n", "found a list"},
      {"head: 3\n", "It is a group"},
      {"seed: 1\n---\nseed: 2\n", "several documents"},
      {"seed: 1e3\n", "whole number"},
      {"num_epochs: 99999999999\n", "in range"},
      {"lr: nan\n", "finite"},
      {"strides: [1, x]\n", "list of whole numbers"},
      {std::string("seed: \0", 7), ""},
  };
  for (const auto& [yaml, part] : cases) {
    const std::string fault = fault_of(yaml);
    EXPECT_FALSE(fault.empty()) << yaml;
    EXPECT_THAT(fault, ::testing::HasSubstr(part)) << yaml;
  }
}

TEST_F(Options, DeepOrHugeYamlIsRefusedQuickly) {
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(fault_of(deep + std::string(40, ' ') + "b: 1\n"), ::testing::HasSubstr("deeper than 32"));
  EXPECT_THAT(fault_of(std::string(200000, '[')), ::testing::HasSubstr("c.yaml"));
  EXPECT_THAT(fault_of(std::string((1 << 20) + 1, '#')), ::testing::HasSubstr("at most 1048576"));
  const auto path = test::fresh_folder("options") / "big.yaml";
  write_file_durable(path, std::string((1 << 20) + 1, '#'));
  EXPECT_TRUE(throws_user_error([&] { set.read_yaml(path); }, ErrorKind::usage, {"big.yaml", "1048577"}));
}

TEST_F(Options, EmptyFileSetsNothing) {
  const OrderedJson before = set.to_json();
  EXPECT_EQ(fault_of(""), "");
  EXPECT_EQ(fault_of("# only a comment\n"), "");
  EXPECT_EQ(set.to_json(), before);
}

TEST_F(Options, AssignmentsTakeDashesAndSpaces) {
  set.set_assignment("num-epochs = 5", "command line");
  set.set_assignment("head.targets=[a, b]", "command line");
  set.set_assignment("strides=1,2", "command line");
  set.set_assignment("out=a=b", "command line");
  EXPECT_EQ(run.num_epochs, 5);
  EXPECT_EQ(run.head.targets, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(run.strides, (std::vector<int>{1, 2}));
  EXPECT_EQ(run.out, "a=b");
  EXPECT_TRUE(throws_user_error([&] { set.set_assignment("seed", "command line"); }, ErrorKind::usage, {"key=value"}));
  EXPECT_TRUE(throws_user_error([&] { set.set_assignment("strides=1,,2", "command line"); }, ErrorKind::usage,
                                {"empty items"}));
  EXPECT_TRUE(
      throws_user_error([&] { set.set_assignment("seed=-1", "command line"); }, ErrorKind::usage, {"0 or more"}));
}

TEST(Nearest, FindsSlipsAndNothingFarAway) {
  const std::vector<std::string> names{"num_epochs", "learning_rate", "seed", "caption.epochs"};
  EXPECT_EQ(nearest("num_epcohs", names), "num_epochs");
  EXPECT_EQ(nearest("sed", names), "seed");
  EXPECT_EQ(nearest("epochs", names), "caption.epochs");
  EXPECT_EQ(nearest("zzz", names), "");
  EXPECT_EQ(nearest("x", names), "");
}

}  // namespace
}  // namespace cp
