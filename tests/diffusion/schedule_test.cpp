#include "diffusion/schedule.h"

#include <gmock/gmock.h>

#include "core/json.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::close;
using test::throws_user_error;
using test::Tol;
using ::testing::ElementsAre;

const Spacing kSpacings[] = {Spacing::leading, Spacing::trailing, Spacing::linspace, Spacing::quadratic,
                             Spacing::log_snr};

Json golden_json() { return read_json(test::golden("diffusion/schedulers.json"), ErrorKind::data); }

// The twin of the golden test runs the same comparison with end points that are not rescaled.
int count_wrong_alphas(bool forget_to_rescale) {
  const Json golden = golden_json();
  int wrong = 0, visited = 0;
  for (const Json& table : golden.at("alphas")) {
    const ScheduleKind kind = parse_schedule(table.at("schedule"));
    const int steps = table.at("steps");
    const auto alphas = accumulated_alphas(kind, forget_to_rescale ? 1000 : steps);
    for (std::size_t i = 0; i < table.at("t").size(); ++i, ++visited) {
      const double want = table.at("a")[i], got = alphas[table.at("t")[i].get<std::size_t>()];
      if (!(std::abs(got - want) <= 1e-12 * want)) ++wrong;  // double on both sides, a product of 1000 factors
    }
  }
  EXPECT_EQ(visited, 24);
  return wrong;
}

TEST(AccumulatedAlphas, EqualThePublishedFormulas) { EXPECT_EQ(count_wrong_alphas(false), 0); }
TEST(AccumulatedAlphas, OfShortSchedulesWithoutRescalingAreFound) { EXPECT_EQ(count_wrong_alphas(true), 8); }

TEST(AccumulatedAlphas, OfTheLinearScheduleEndAtTheKnownValues) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  ASSERT_EQ(alphas.size(), 1000u);
  EXPECT_NEAR(alphas[999], 4.036e-5, 0.0005e-5);
  EXPECT_NEAR(alphas[900], 2.702e-4, 0.0005e-4);
  EXPECT_NEAR(accumulated_alphas(ScheduleKind::squared_cosine)[900], 0.0236, 0.00005);
}

TEST(AccumulatedAlphas, FallStrictlyAndStayInsideTheUnitInterval) {
  int visited = 0;
  for (const ScheduleKind kind : {ScheduleKind::linear, ScheduleKind::squared_cosine})
    for (const int steps : {1, 2, 10, 20, 50, 100, 1000, 2000}) {
      double before = 1;
      for (const double a : accumulated_alphas(kind, steps)) {
        EXPECT_GT(a, 0);
        EXPECT_LT(a, before);
        before = a;
        ++visited;
      }
    }
  EXPECT_EQ(visited, 2 * 3183);
}

TEST(Respace, GivesThePublishedListsOfTenSteps) {
  const auto linear = accumulated_alphas(ScheduleKind::linear);
  EXPECT_THAT(respace(Spacing::leading, 10, linear), ElementsAre(900, 800, 700, 600, 500, 400, 300, 200, 100, 0));
  EXPECT_THAT(respace(Spacing::trailing, 10, linear), ElementsAre(999, 899, 799, 699, 599, 499, 399, 299, 199, 99));
  EXPECT_THAT(respace(Spacing::linspace, 10, linear), ElementsAre(999, 888, 777, 666, 555, 444, 333, 222, 111, 0));
  EXPECT_THAT(respace(Spacing::quadratic, 10, linear), ElementsAre(999, 809, 639, 489, 359, 249, 159, 89, 39, 9));
  EXPECT_THAT(respace(Spacing::log_snr, 10, linear), ElementsAre(999, 886, 757, 602, 409, 202, 72, 21, 4, 0));
}

TEST(Respace, EqualsTheLibraryWhereItHasTheSpacing) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear);
  const Json golden = golden_json();
  int visited = 0, differ_from_the_next_spacing = 0;
  for (const Json& list : golden.at("lists")) {
    const auto want = list.at("timesteps").get<std::vector<int>>();
    const Spacing spacing = parse_spacing(list.at("spacing"));
    EXPECT_EQ(respace(spacing, static_cast<int>(want.size()), alphas), want) << list;
    const Spacing other = spacing == Spacing::leading ? Spacing::trailing : Spacing::leading;
    differ_from_the_next_spacing += respace(other, static_cast<int>(want.size()), alphas) != want;
    ++visited;
  }
  EXPECT_EQ(visited, 15);
  EXPECT_EQ(differ_from_the_next_spacing, visited);
}

TEST(Respace, FallsStrictlyInsideTheScheduleForEveryNumberOfSteps) {
  int visited = 0;
  for (const ScheduleKind kind : {ScheduleKind::linear, ScheduleKind::squared_cosine})
    for (const int train_steps : {1, 2, 17, 200}) {
      const auto alphas = accumulated_alphas(kind, train_steps);
      for (const Spacing spacing : kSpacings)
        for (int steps = 1; steps <= train_steps; ++steps, ++visited) {
          const auto list = respace(spacing, steps, alphas);
          ASSERT_EQ(list.size(), static_cast<std::size_t>(steps));
          EXPECT_LT(list.front(), train_steps);
          EXPECT_GE(list.back(), 0);
          for (std::size_t i = 1; i < list.size(); ++i) ASSERT_LT(list[i], list[i - 1]);
        }
    }
  EXPECT_EQ(visited, 2 * 5 * (1 + 2 + 17 + 200));
}

TEST(Respace, KeepsEveryStepWhenAsManyAreWanted) {
  const auto alphas = accumulated_alphas(ScheduleKind::squared_cosine, 100);
  for (const Spacing spacing : kSpacings) {
    const auto list = respace(spacing, 100, alphas);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(list[static_cast<std::size_t>(i)], 99 - i);
  }
}

TEST(Respace, RefusesMoreStepsThanTheScheduleHas) {
  const auto alphas = accumulated_alphas(ScheduleKind::linear, 20);
  EXPECT_TRUE(throws_user_error([&] { respace(Spacing::leading, 21, alphas); }, ErrorKind::usage, {"1 to 20", "21"}));
  EXPECT_TRUE(throws_user_error([&] { respace(Spacing::leading, 0, alphas); }, ErrorKind::usage, {"found 0"}));
  EXPECT_TRUE(throws_user_error([] { accumulated_alphas(ScheduleKind::linear, 0); }, ErrorKind::usage, {"found 0"}));
}

TEST(Names, OfSchedulesAndSpacingsAreChecked) {
  EXPECT_EQ(parse_schedule("squared_cosine"), ScheduleKind::squared_cosine);
  const char* names[] = {"leading", "trailing", "linspace", "quadratic", "log_snr"};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(parse_spacing(names[i]), kSpacings[i]);
  EXPECT_TRUE(throws_user_error([] { parse_schedule("sqrt"); }, ErrorKind::usage, {"sqrt", "squared_cosine"}));
  EXPECT_TRUE(throws_user_error([] { parse_spacing("even"); }, ErrorKind::usage, {"even", "log_snr"}));
}

}  // namespace
}  // namespace cp
