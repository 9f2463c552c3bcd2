// The tables' numbers against hand computation, and what becomes of hostile text.
#include "report/ablation_tables.h"

#include <cmath>

#include <gmock/gmock.h>

#include "core/progress.h"
#include "report/ablation_files.h"
#include "report/fake_ablation.h"

namespace cp {
namespace {

using test::FakeProgram;
using ::testing::HasSubstr;
using ::testing::Not;

PairValues named(const std::vector<double>& values) {
  PairValues out;
  for (std::size_t i = 0; i < values.size(); ++i) out.emplace(fmt::format("p{:03}", i), values[i]);
  return out;
}

TEST(MeanAndSpread, AreThoseOfASample) {
  EXPECT_FALSE(mean_and_spread({}));
  EXPECT_EQ(mean_and_spread({.5})->mean, .5);
  EXPECT_FALSE(mean_and_spread({.5})->spread) << "one seed has no spread";
  const auto three = mean_and_spread({1, 2, 6});
  EXPECT_EQ(three->n, 3);
  EXPECT_DOUBLE_EQ(three->mean, 3);
  EXPECT_DOUBLE_EQ(*three->spread, std::sqrt(7.0)) << "(4 + 1 + 9) / 2, not / 3";
}

// 40 pairs of two kinds, easy and hard for both; the cell is right on eight more. d is 1 with share 0.2, so that the
// interval is that of Binomial(40, 0.2) / 40: quantiles 3 and 13 (its distribution function is .0079 at 2, .0285 at 3,
// .9568 at 12, .9806 at 13).
struct EightMore {
  PairValues cell, baseline;
  EightMore() {
    std::vector<double> easy(40), more(40);
    for (std::size_t i = 0; i < 40; ++i) easy[i] = i < 16, more[i] = i < 24;
    cell = named(more), baseline = named(easy);
  }
};
constexpr double kStep = 1.0 / 40 + 1e-9;  // 1000 resamples may miss a quantile by one pair

TEST(PairedDifference, HasTheBinomialIntervalOfItsPairs) {
  const EightMore x;
  const auto d = paired_difference({x.cell}, {x.baseline}, {1000, 0});
  ASSERT_TRUE(d && d->interval);
  EXPECT_DOUBLE_EQ(d->value, .2);
  EXPECT_EQ(d->pairs, 40);
  EXPECT_NEAR(d->interval->low, 3.0 / 40, kStep);
  EXPECT_NEAR(d->interval->high, 13.0 / 40, kStep);
  EXPECT_TRUE(d->clear());
}

// The planted fault: pairs of the two runs put together at random. What both share does not cancel out any more.
TEST(PairedDifference, WithoutThePairingIsAnotherInterval) {
  const EightMore x;
  PairValues shuffled;  // the same scores under other names
  for (std::size_t i = 0; i < 40; ++i)
    shuffled.emplace(fmt::format("p{:03}", i), x.baseline.at(fmt::format("p{:03}", i * 17 % 40)));
  const auto d = paired_difference({x.cell}, {shuffled}, {1000, 0});
  ASSERT_TRUE(d && d->interval);
  EXPECT_DOUBLE_EQ(d->value, .2);
  EXPECT_GT(std::fabs(d->interval->low - 3.0 / 40), 2 * kStep);
  EXPECT_FALSE(d->clear()) << "only the pairing shows the difference";
}

// Two seeds whose differences are 0 and 1 on every pair: resampled seeds give 0, 1/2 or 1.
TEST(PairedDifference, HoldsTheSpreadOfTheSeeds) {
  const PairValues zero = named(std::vector<double>(30, 0)), one = named(std::vector<double>(30, 1));
  const auto d = paired_difference({zero, one}, {zero, zero}, {1000, 0});
  EXPECT_DOUBLE_EQ(d->value, .5);
  EXPECT_EQ(d->seeds, 2);
  EXPECT_EQ(d->interval->low, 0);
  EXPECT_EQ(d->interval->high, 1) << "over the pairs alone it would have no width";
}

TEST(PairedDifference, UsesWhatBothHave) {
  PairValues cell = named({1, 1, 0, 1}), baseline = named({0, 1, 0});
  baseline["other"] = 0;
  const auto d = paired_difference({cell}, {baseline}, {0, 0});
  EXPECT_EQ(d->pairs, 3);
  EXPECT_DOUBLE_EQ(d->value, 1.0 / 3);
  EXPECT_FALSE(d->interval);
  EXPECT_FALSE(paired_difference({cell}, {named({})}, {}));
  EXPECT_FALSE(paired_difference({}, {}, {}));
}

struct AblationTables : ::testing::Test {
  AblationTables() : fake("ablation_tables") { Progress::set_quiet(true); }
  ~AblationTables() override { Progress::set_quiet(false); }

  AblationResults results(const std::string& tables, const std::string& more = "") {
    const AblationProgram program{fake.path(), "1.0", {}, [](const std::string&) {}};
    const AblationConfig config = parse_ablation(fake.config(tables, more), "a.yaml", {});
    const std::vector<AblationTask> tasks = plan_ablation(config, program);
    code = run_ablation(config, program, tasks, {});
    return read_ablation_results(config, program, tasks);
  }

  FakeProgram fake;
  int code = 0;
};

TEST_F(AblationTables, EqualHandComputation) {
  fake.answer("t", "base", 0, {"1000", .1, .2});
  fake.answer("t", "base", 1, {"1100", .1, .4});
  fake.answer("t", "new", 0, {"1110", .2, .5});
  fake.answer("t", "new", 1, {"1111", .2, .6});
  const AblationResults r =
      results("- name: t\n  baseline: base\n  cells: [{name: base}, {name: new, train: [head.kind=flow]}]\n");
  ASSERT_EQ(code, 0);
  ASSERT_EQ(r.tables.size(), 1u);
  const AblationRow &base = r.tables[0].rows[0], &fresh = r.tables[0].rows[1];
  EXPECT_TRUE(base.baseline && !base.differences[0]);
  EXPECT_DOUBLE_EQ(base.values[0]->mean, .375);  // of 1/4 and 2/4
  EXPECT_DOUBLE_EQ(*base.values[0]->spread, .25 / std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(fresh.values[0]->mean, .875);
  EXPECT_DOUBLE_EQ(fresh.values[2]->mean, .55);
  EXPECT_FALSE(fresh.values[3]) << "top3_largest is in no file";
  ASSERT_TRUE(fresh.differences[0] && fresh.differences[1]);
  EXPECT_DOUBLE_EQ(fresh.differences[0]->value, .5);
  EXPECT_NEAR(fresh.differences[1]->value, (.04 - .01) / 2, 1e-12) << "squared error, mean of the two coordinates";
  EXPECT_TRUE(fresh.differences[1]->clear()) << "the same on every pair and seed";
  EXPECT_FALSE(fresh.differences[2]) << "BLEU-4 of a corpus is no mean over pairs";
  EXPECT_EQ(r.tables[0].floors[0], .125);
  EXPECT_FALSE(r.tables[0].floors[1]);

  const std::string text = ablation_text(r);
  EXPECT_THAT(text, HasSubstr("| base (baseline) |   2 | 0.375 ± 0.177 |"));
  EXPECT_THAT(text, HasSubstr("| new             |   2 | 0.875 ± 0.177 |"));
  EXPECT_THAT(text, HasSubstr("+0.015 [+0.015, +0.015] \\* |"));
  EXPECT_THAT(text, HasSubstr("–"));
  const OrderedJson json = ablation_json(r);
  EXPECT_EQ(json.at("/tables/0/cells/1/scores/action.sr_mask/n"_json_pointer), 2);
  EXPECT_EQ(json.at("/tables/0/cells/1/differences/action.mse/excludes_zero"_json_pointer), true);
  EXPECT_EQ(json.at("/tables/0/blind/action.sr_mask"_json_pointer), .125);
  EXPECT_FALSE(json["tables"][0]["cells"][1]["scores"].contains("action.top3_largest"));
  EXPECT_THAT(ablation_page(r, false), HasSubstr("<span class=\"v down\">+0.015</span>")) << "more error is worse";
  EXPECT_THAT(ablation_page(r, true), HasSubstr("消融实验"));
}

TEST_F(AblationTables, SeedsAreMatchedAndAFailedOneIsLeftOut) {
  fake.answer("t", "base", 0, {"00"});
  fake.answer("t", "base", 1, {"11"});
  fake.answer("t", "new", 1, {"11"});
  const AblationResults r =
      results("- name: t\n  baseline: base\n  cells: [{name: base}, {name: new, train: [head.kind=flow]}]\n");
  EXPECT_EQ(code, kCellsFailedExitCode);
  const AblationRow& row = r.tables[0].rows[1];
  EXPECT_EQ(row.done, 1);
  EXPECT_EQ(row.differences[0]->seeds, 1);
  EXPECT_EQ(row.differences[0]->value, 0) << "seed 1 against seed 1, not against the mean of both";
  ASSERT_EQ(row.faults.size(), 1u);
  EXPECT_THAT(row.faults[0], HasSubstr("t/new seed 0: validate ended with exit code 1"));
}

TEST_F(AblationTables, HostileTextStaysText) {
  fake.mark("fail-train-t-a");
  const AblationResults r = results(
      "- name: t\n  title: \"<script>alert(1)</script> | x\"\n  question: \"a & b <img src=x onerror=y>\"\n  cells: "
      "[{name: a}]\n- name: empty\n  cells: [{name: a, like: t/a}]\n");
  EXPECT_EQ(code, kCellsFailedExitCode);
  const std::string page = ablation_page(r, false);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(page, HasSubstr("the disk &lt;broke&gt;"));
  for (const char* part : {"<script>alert", "<img", "<broke"}) EXPECT_THAT(page, Not(HasSubstr(part)));
  const std::string text = ablation_text(r);
  EXPECT_THAT(text, HasSubstr("\\<script\\>alert(1)\\</script\\> \\| x"));
  EXPECT_THAT(text, HasSubstr("- failed: t/a seed 0: train ended with exit code 9: the disk \\<broke\\>"));
}

TEST_F(AblationTables, TablesWithoutResultsAreLeftOut) {
  AblationResults r;
  r.metrics = {"a"};
  r.tables.resize(1);
  r.tables[0].name = "t";
  r.tables[0].rows.resize(1);
  r.tables[0].rows[0].values.resize(1), r.tables[0].rows[0].differences.resize(1), r.tables[0].floors.resize(1);
  EXPECT_THAT(ablation_json(r)["tables"], ::testing::IsEmpty());
  EXPECT_EQ(ablation_json(r, {"t"})["tables"].size(), 1u);
  EXPECT_THAT(ablation_text(r, {"t"}), HasSubstr("–"));
  EXPECT_THAT(ablation_page(r, false), HasSubstr("No cell has run yet."));
}

}  // namespace
}  // namespace cp
