// The ablation's config file: what it means, and what is said about a wrong one.
#include "report/ablation_config.h"

#include <gmock/gmock.h>

#include "support/test_support.h"

namespace cp {
namespace {

using test::throws_user_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kHead = "data: levir\nbase: nano.yaml\n";  // two lines

AblationConfig parse(const std::string& rest, const std::vector<std::string>& overrides = {}) {
  return parse_ablation(kHead + rest, "a.yaml", overrides);
}

std::string fault_of(const std::string& rest) {
  try {
    parse(rest);
  } catch (const UserError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return "";
}

std::vector<std::string> names(const AblationConfig& config, std::size_t table) {
  std::vector<std::string> out;
  for (const std::size_t cell : config.tables[table].cells) out.push_back(config.cells[cell].name);
  return out;
}

TEST(AblationConfig, TheMatrixIsACrossProductOfFurtherCells) {
  const AblationConfig config = parse(
      "train: [views=4]\nvalidate: [--resamples, 10]\ntables:\n- name: heads\n  baseline: flow-pooled\n  cells:\n"
      "  - {name: own, train: [head.kind=token], validate: [--seed, 3]}\n"
      "  matrix: {head.kind: [diffusion, flow], head.condition: [last_token, pooled]}\n");
  EXPECT_THAT(names(config, 0),
              ElementsAre("own", "diffusion-last_token", "diffusion-pooled", "flow-last_token", "flow-pooled"));
  EXPECT_EQ(config.tables[0].baseline, 4u);
  EXPECT_EQ(config.tables[0].title, "heads") << "the name where no title is given";
  EXPECT_THAT(config.cells[0].train, ElementsAre("views=4", "head.kind=token"));
  EXPECT_THAT(config.cells[0].validate, ElementsAre("--resamples", "10", "--seed", "3"));
  EXPECT_THAT(config.cells[3].train, ElementsAre("views=4", "head.kind=flow", "head.condition=last_token"));
}

TEST(AblationConfig, FlagsInTheMatrixShareOneModel) {
  const AblationConfig config =
      parse("tables:\n- name: samplers\n  matrix: {head.schedule: [linear, cosine], --steps: [5, 10]}\n");
  EXPECT_THAT(names(config, 0), ElementsAre("linear-5", "linear-10", "cosine-5", "cosine-10"));
  EXPECT_THAT(config.cells[1].validate, ElementsAre("--steps", "10"));
  std::vector<std::size_t> models;
  for (const AblationCell& cell : config.cells) models.push_back(cell.model);
  EXPECT_THAT(models, ElementsAre(0, 0, 2, 2));
}

TEST(AblationConfig, CellsThatAreTrainedAlikeShareTheirModelAcrossTables) {
  const AblationConfig config = parse(
      "trunk: runs/nano-{seed}\ntables:\n- name: one\n  cells:\n  - {name: a, train: [head.kind=flow, views=2]}\n"
      "  - {name: b, like: a, validate: [--steps, 3]}\n- name: two\n  cells:\n"
      "  - {name: same, train: [views=1, head.kind=flow, views=2]}\n  - {name: other, train: [views=2]}\n"
      "  - {name: apart, trunk: '', train: [head.kind=flow, views=2]}\n  - {name: far, like: one/b}\n");
  std::vector<std::size_t> models;
  for (const AblationCell& cell : config.cells) models.push_back(cell.model);
  EXPECT_THAT(models, ElementsAre(0, 0, 0, 3, 4, 0)) << "order and repeats do not matter, the trunk does";
  EXPECT_EQ(config.cells[0].trunk, "runs/nano-{seed}");
  EXPECT_EQ(config.cells[4].trunk, "");
}

TEST(AblationConfig, OverridesWinOverTheFile) {
  const std::string text = "seeds: [5]\nsplit: test\ntables:\n- {name: t, cells: [{name: a}]}\n";
  const AblationConfig config = parse(text, {"seeds=0,1", "train=views=4,head.epochs=1", "out=x=y"});
  EXPECT_THAT(config.options.seeds, ElementsAre(0, 1));
  EXPECT_EQ(config.options.split, "test");
  EXPECT_EQ(config.options.out, "x=y");
  EXPECT_THAT(config.cells[0].train, ElementsAre("views=4", "head.epochs=1"));
  EXPECT_TRUE(throws_user_error([&] { parse(text, {"sedes=1"}); }, ErrorKind::usage, {"command line", "\"seeds\""}));
}

TEST(AblationConfig, EachFaultNamesFileAndLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "a.yaml:1: \"tables\": wanted a list of at least one table."},
      {"tables: []\n", "a.yaml:3: \"tables\": wanted a list"},
      {"tables: x\n", "a.yaml:3: \"tables\": wanted a list"},
      {"tabels: []\ntables: [{name: t, cells: [{name: a}]}]\n", "a.yaml:3: unknown option \"tabels\""},
      {"tables:\n- {name: t}\n", "a.yaml:4: table \"t\" has no cells."},
      {"tables:\n- {name: t, cells: []}\n", "a.yaml:4: table \"t\" has no cells."},
      {"tables:\n- 5\n", "a.yaml:4: a table: wanted keys and values"},
      {"tables:\n- name: t\n  cels: []\n  cells: [{name: a}]\n",
       "a.yaml:5: a table: unknown key \"cels\". Did you mean"},
      {"tables:\n- name: t\n  cells: [{name: a, tran: []}]\n", "a.yaml:5: a cell: unknown key \"tran\""},
      {"tables:\n- {name: t, cells: [{name: a}]}\n- {name: t, cells: [{name: b}]}\n", "a.yaml:5: two tables"},
      {"tables:\n- name: t\n  cells:\n  - {name: a}\n  - {name: a}\n", "a.yaml:7: table \"t\" has two cells"},
      {"tables:\n- name: t\n  cells: [{name: x}]\n  matrix: {k: [x]}\n", "a.yaml:6: table \"t\" has two cells"},
      {"tables:\n- name: t\n  baseline: b\n  cells: [{name: a}]\n",
       "a.yaml:5: \"baseline\": table \"t\" has no cell \"b\""},
      {"tables:\n- name: t\n  cells:\n  - {name: a, like: none}\n", "a.yaml:6: cell \"a\": \"like\" names no cell"},
      {"tables:\n- name: t\n  cells: [{name: a, like: a}]\n", "a.yaml:5: cell \"a\": \"like\" runs in a circle."},
      {"tables:\n- name: t\n  cells: [{name: a, like: b}, {name: b, like: a}]\n", "2 faults"},
      {"tables:\n- name: t\n  cells: [{name: b}, {name: a, like: b, train: [x=1]}]\n", "would change nothing"},
      {"tables:\n- {name: ../t, cells: [{name: a}]}\n", "a.yaml:4: a table: wanted a \"name\""},
      {"tables:\n- {name: report.html, cells: [{name: a}]}\n", "a.yaml:4: a table: wanted a \"name\""},
      {"tables:\n- {name: t, cells: [{name: ..}]}\n", "a.yaml:4: a cell: wanted a \"name\""},
      {"tables:\n- {name: t, cells: [{train: []}]}\n", "a.yaml:4: a cell: wanted a \"name\""},
      {"tables:\n- {name: t, matrix: {k: [a/b]}}\n", "a.yaml:4: \"matrix\": \"a/b\" is no name"},
      {"tables:\n- {name: t, matrix: {k: []}}\n", "\"k\" has no values"},
      {"tables:\n- {name: t, matrix: {seed: [1]}}\n", "\"seed\" is set by the ablation itself"},
      {"tables:\n- {name: t, matrix: {--split: [val]}}\n", "\"--split\" is set by the ablation itself"},
      {"tables:\n- {name: t, cells: [{name: a, train: [out=x]}]}\n", "\"out\" is set by the ablation itself"},
      {"tables:\n- {name: t, cells: [{name: a, validate: ['--out=x']}]}\n", "\"--out\" is set by the ablation"},
      {"tables:\n- {name: t, cells: [{name: a, train: [--resume]}]}\n", "wanted key=value, found \"--resume\""},
      {"tables:\n- {name: t, cells: [{name: a, train: [\"k=\\0\"]}]}\n", "control characters"},
      {"tables:\n- {name: t, cells: [{name: a, train: x=1}]}\n", "\"train\": wanted a list."},
      {"seeds: [1, 1]\ntables:\n- {name: t, cells: [{name: a}]}\n", "\"seeds\": wanted different"},
      {"seeds: [-1]\ntables:\n- {name: t, cells: [{name: a}]}\n", "\"seeds\": wanted different"},
      {"seeds: []\ntables:\n- {name: t, cells: [{name: a}]}\n", "\"seeds\": wanted 1 to"},
      {"metrics: [a, a]\ntables:\n- {name: t, cells: [{name: a}]}\n", "\"metrics\": a path stands twice"},
      {"tables: [&x {name: t}]\n", "a.yaml:3: anchors"},
      {"tables:\n- {name: t, name: u}\n", "a.yaml:4: \"tables.name\" stands twice."},
      {"- 1\n", "a.yaml"},
  };
  for (const auto& [rest, part] : cases) EXPECT_THAT(fault_of(rest), HasSubstr(part)) << rest;
  EXPECT_THAT(fault_of("tables:\n- name: t\n  cels: []\n  baseline: b\n"), HasSubstr("a.yaml: 3 faults."))
      << "all faults at once";
}

TEST(AblationConfig, AHugeMatrixIsRefusedBeforeItIsBuilt) {
  std::string values = "[0";
  for (int i = 1; i < 400; ++i) values += "," + std::to_string(i);
  std::string axes;
  for (const char* key : {"a", "b", "c", "d", "e", "f", "g", "h"}) axes += std::string(key) + ": " + values + "], ";
  EXPECT_THAT(fault_of("tables:\n- {name: t, matrix: {" + axes + "}}\n"), HasSubstr("more than 2000 cells"));
}

TEST(AblationConfig, TheConfigOfTheRepositoryIsGood) {
  const AblationConfig config = read_ablation(test::source_dir() / "configs/ablation.yaml", {});
  EXPECT_GE(config.tables.size(), 7u);
  for (const AblationTable& table : config.tables) {
    EXPECT_TRUE(table.baseline) << table.name;
    EXPECT_FALSE(table.question.empty()) << table.name;
  }
}

}  // namespace
}  // namespace cp
