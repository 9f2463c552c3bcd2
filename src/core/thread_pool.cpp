#include "core/thread_pool.h"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"

namespace cp {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::nanoseconds kLongestSpin{40'000}, kShortestSpin{1'000};

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits for `ready`, at most `limit`; says whether it came.
template <class Ready>
bool spin(const Ready& ready, std::chrono::nanoseconds limit) {
  const auto end = Clock::now() + limit;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_briefly();
    }
  } while (Clock::now() < end);
  return ready();
}

}  // namespace

// A job is open from its begin until its caller has no piece left to take; a worker that comes later finds it closed.
// So the caller waits only for workers that are inside, never for one that the system has not woken yet.
struct ThreadPool::State {
  int threads = 1;
  std::vector<std::thread> workers;
  std::atomic<bool> busy{false};  // some thread is in run()

  std::mutex lock;  // guards open, stop, failed, and the changes of job and inside
  std::condition_variable begun, left;
  bool open = false, stop = false;
  std::atomic<std::uint64_t> job{0};
  std::atomic<int> inside{0};
  int sleeping = 0;
  std::exception_ptr failed;

  Call call = nullptr;
  const void* work = nullptr;
  std::size_t count = 0;
  std::atomic<std::size_t> next{0};

  void take_pieces() {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        call(work, i);
      } catch (...) {
        const std::lock_guard hold(lock);
        if (!failed) failed = std::current_exception();
        next = count;
      }
    }
  }

  void serve(bool may_spin) {
    std::uint64_t done = 0;
    std::chrono::nanoseconds patience = may_spin ? kLongestSpin : std::chrono::nanoseconds{0};
    for (;;) {
      const auto came = [&] { return job.load(std::memory_order_acquire) != done; };
      if (may_spin) patience = spin(came, patience) ? kLongestSpin : std::max(kShortestSpin, patience / 2);
      {
        std::unique_lock hold(lock);
        ++sleeping;
        begun.wait(hold, [&] { return stop || came(); });
        --sleeping;
        if (stop) return;
        done = job;
        if (!open) continue;
        ++inside;
      }
      take_pieces();
      const std::lock_guard hold(lock);
      if (--inside == 0) left.notify_one();
    }
  }

  void start() {
    const bool may_spin = threads <= usable_processors();
    try {
      while (static_cast<int>(workers.size()) + 1 < threads)
        workers.emplace_back([this, may_spin] { serve(may_spin); });
    } catch (const std::system_error&) {  // the system grants no more: those there are will do
    }
  }

  void end() {
    {
      const std::lock_guard hold(lock);
      stop = true;
    }
    begun.notify_all();
    for (std::thread& worker : workers) worker.join();
    workers.clear();
    stop = false;
  }

  void fork_and_join() {
    bool wake;
    {
      const std::lock_guard hold(lock);
      open = true;
      next = 0;
      ++job;
      wake = sleeping > 0;
    }
    if (wake) begun.notify_all();
    take_pieces();
    {
      const std::lock_guard hold(lock);
      open = false;
    }
    if (!spin([&] { return inside.load(std::memory_order_acquire) == 0; }, kLongestSpin)) {
      std::unique_lock hold(lock);
      left.wait(hold, [&] { return inside == 0; });
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  CP_CHECK(threads >= 1, "ThreadPool: fewer than one thread");
  state_->threads = threads;
}

ThreadPool::~ThreadPool() { state_->end(); }

int ThreadPool::threads() const { return state_->threads; }

void ThreadPool::set_threads(int threads) {
  CP_CHECK(threads >= 1, "ThreadPool: fewer than one thread");
  CP_CHECK(!state_->busy, "ThreadPool: set_threads while pieces are run");
  if (threads == state_->threads) return;
  state_->end();
  state_->threads = threads;
}

void ThreadPool::run_pieces(std::size_t count, Call call, const void* work) {
  State& s = *state_;
  if (count < 2 || s.threads == 1 || s.busy.exchange(true)) {
    for (std::size_t i = 0; i < count; ++i) call(work, i);
    return;
  }
  if (s.workers.empty()) s.start();
  s.call = call;
  s.work = work;
  s.count = count;
  s.fork_and_join();
  const std::exception_ptr failed = std::exchange(s.failed, nullptr);
  s.busy = false;
  if (failed) std::rethrow_exception(failed);
}

ThreadPool& thread_pool() {
  static ThreadPool pool(usable_processors());
  return pool;
}

int usable_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // more processors than the set holds
}

}  // namespace cp
