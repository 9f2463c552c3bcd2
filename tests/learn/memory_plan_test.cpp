// What train --dry-run prints and --memory-limit refuses.
#include "learn/memory_plan.h"

#include "learn/published_recipe.h"
#include "learn/train.h"
#include "small_published.h"

namespace cp {
namespace {

using test::small_published;
using test::throws_user_error;

TEST(Bytes, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_bytes("8GB", "x"), 8e9);
  EXPECT_EQ(parse_bytes("7.5GiB", "x"), 7.5 * 1024 * 1024 * 1024);
  EXPECT_EQ(parse_bytes("900MB", "x"), 9e8);
  EXPECT_EQ(parse_bytes("123", "x"), 123);
  int visited = 0;
  for (const char* bad : {"", "GB", "8 GB", "-1GB", "8gb", "0", "1e30GB", "nan", "inf"}) {
    EXPECT_TRUE(throws_user_error([&] { parse_bytes(bad, "memory_limit"); }, ErrorKind::usage, {"memory_limit"}))
        << bad;
    ++visited;
  }
  EXPECT_EQ(visited, 9);
}

TEST(MemoryPlan, GrowsWithTheBatchAndNamesTheDesignsParts) {
  const PublishedConfig c = small_published("plan");
  const PublishedData data = read_published_data(c);
  const MemoryPlanner planner(c, data);
  const MemoryPlan one = planner.plan("caption", 1), four = planner.plan("caption", 4);
  std::vector<std::string> names;
  for (const MemoryPlan::Item& item : one.items) names.push_back(item.name);
  EXPECT_EQ(names, (std::vector<std::string>{"vision", "language", "head", "gradients", "optimiser", "activations",
                                             "batch", "other"}));
  EXPECT_GT(four.total(), one.total());
  EXPECT_LT(four.total(), 4 * one.total());
}

TEST(MemoryPlan, TheLargestBatchFitsAndTheNextDoesNot) {
  const PublishedConfig c = small_published("plan");
  const PublishedData data = read_published_data(c);
  const MemoryPlanner planner(c, data);
  const double limit = planner.plan("caption", 3).total();
  EXPECT_EQ(planner.largest_batch("caption", limit), 3);
  EXPECT_EQ(planner.largest_batch("caption", 1000), 0);
}

TEST(MemoryLimit, RefusesARunThatWillNotFitAndNamesTheBatchThatWill) {
  PublishedConfig c = small_published("refused");
  c.caption.batch_size = 4;
  {
    const PublishedData data = read_published_data(c);
    const MemoryPlanner planner(c, data);
    const double two = planner.plan("caption", 2).total(), four = planner.plan("caption", 4).total();
    c.memory_limit = std::to_string(static_cast<long long>(two + 0.4 * (four - two)));
    EXPECT_TRUE(
        throws_user_error([&] { planner.refuse_what_will_not_fit({"caption"}, parse_bytes(c.memory_limit, "x")); },
                          ErrorKind::memory, {"stage caption", "4 pairs", "caption.batch_size=2"}));
  }
  c.memory_limit = "10MB";
  EXPECT_TRUE(throws_user_error([&] { print_memory_plan(c, true); }, ErrorKind::memory, {"No batch fits"}));
  EXPECT_FALSE(std::filesystem::exists(c.out));
}

}  // namespace
}  // namespace cp
