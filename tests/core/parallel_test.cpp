#include "core/parallel.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace cp {
namespace {

TEST(ForEachIndex, DoesEachPieceOnceWhateverTheThreads) {
  for (const int threads : {0, 1, 2, 7}) {
    std::vector<std::atomic<int>> done(100);
    for_each_index(done.size(), threads, [&](std::size_t i) { ++done[i]; });
    for (const std::atomic<int>& times : done) EXPECT_EQ(times, 1) << threads << " threads";
  }
  for_each_index(0, 3, [](std::size_t) { FAIL() << "there is no piece"; });
}

TEST(ForEachIndex, ThrowsTheFirstExceptionAndBeginsNothingMore) {
  for (const int threads : {1, 4}) {
    std::atomic<int> begun{0};
    EXPECT_THROW(for_each_index(100'000, threads,
                                [&](std::size_t) {
                                  ++begun;
                                  throw std::runtime_error("no");
                                }),
                 std::runtime_error);
    EXPECT_GE(begun, 1);
    EXPECT_LE(begun, threads) << "one that was under way in each thread";
  }
}

}  // namespace
}  // namespace cp
