#include "core/thread_pool.h"

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"

namespace cp {
namespace {

using Counts = std::vector<std::atomic<int>>;

void expect_each(const Counts& done, int times) {
  for (const std::atomic<int>& count : done) EXPECT_EQ(count, times);
}

TEST(ThreadPool, DoesEachPieceOnceWhateverTheThreads) {
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    Counts done(100);
    for (int call = 1; call <= 200; ++call) {
      pool.run(done.size(), [&](std::size_t i) { ++done[i]; });
      if (call % 50 == 0) expect_each(done, call);
    }
    pool.run(0, [](std::size_t) { FAIL() << "there is no piece"; });
    const std::function<void(std::size_t)> function = [&](std::size_t i) { ++done[i]; };
    pool.run(done.size(), function);
    expect_each(done, 201);
  }
}

TEST(ThreadPool, RangesCoverTheRowsAndBeginAtTheGrain) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const std::size_t rows : {1u, 7u, 8u, 9u, 64u, 1003u}) {
      Counts done(rows);
      pool.run_ranges(rows, 8, [&](std::size_t begin, std::size_t end) {
        EXPECT_EQ(begin % 8, 0u);
        EXPECT_TRUE(end % 8 == 0 || end == rows);
        for (std::size_t i = begin; i < end; ++i) ++done[i];
      });
      expect_each(done, 1);
    }
    pool.run_ranges(0, 8, [](std::size_t, std::size_t) { FAIL() << "there is no row"; });
  }
}

TEST(ThreadPool, UsesItsThreads) {
  ThreadPool pool(2);
  std::atomic<int> waiting{0};
  pool.run(2, [&](std::size_t) {  // ends only if two threads are inside at once
    ++waiting;
    while (waiting < 2) std::this_thread::yield();
  });
  EXPECT_EQ(waiting, 2);
}

TEST(ThreadPool, ThrowsTheFirstExceptionAndBeginsNothingMore) {
  for (const int threads : {1, 4}) {
    ThreadPool pool(threads);
    for (int again = 0; again < 3; ++again) {  // and works on afterwards
      std::atomic<int> begun{0};
      EXPECT_THROW(pool.run(100'000,
                            [&](std::size_t) {
                              ++begun;
                              throw std::runtime_error("no");
                            }),
                   std::runtime_error);
      EXPECT_GE(begun, 1);
      EXPECT_LE(begun, threads) << "one that was under way in each thread";
      Counts done(10);
      pool.run(done.size(), [&](std::size_t i) { ++done[i]; });
      expect_each(done, 1);
    }
  }
}

TEST(ThreadPool, CallsFromInsideAndFromOtherThreadsDoTheirPiecesThemselves) {
  ThreadPool pool(3);
  Counts done(60);
  const auto use = [&] {
    for (int call = 0; call < 100; ++call)
      pool.run(6, [&](std::size_t i) { pool.run(10, [&](std::size_t j) { ++done[10 * i + j]; }); });
  };
  std::thread other(use), third(use);
  use();
  other.join();
  third.join();
  expect_each(done, 300);
}

TEST(ThreadPool, ChangesItsThreads) {
  ThreadPool pool(1);
  Counts done(50);
  int calls = 0;
  for (const int threads : {1, 4, 2, 1, 3}) {
    pool.set_threads(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int call = 0; call < 20; ++call, ++calls) pool.run(done.size(), [&](std::size_t i) { ++done[i]; });
  }
  expect_each(done, calls);
  EXPECT_THROW(pool.set_threads(0), BugError);
  EXPECT_THROW(ThreadPool(0), BugError);
}

TEST(ThreadPool, SleepsWhenThereIsNothingToDo) {
  ThreadPool pool(usable_processors() + 1);
  pool.run(100, [](std::size_t) {});
  const auto cpu_seconds = [] {
    rusage use{};
    getrusage(RUSAGE_SELF, &use);
    return static_cast<double>(use.ru_utime.tv_sec) + 1e-6 * static_cast<double>(use.ru_utime.tv_usec);
  };
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(cpu_seconds() - before, 0.05) << "of 0.2 s";
}

TEST(ThreadPool, TheProcessHasOne) {
  EXPECT_EQ(&thread_pool(), &thread_pool());
  EXPECT_GE(thread_pool().threads(), 1);
  EXPECT_GE(usable_processors(), 1);
}

}  // namespace
}  // namespace cp
