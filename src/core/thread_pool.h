#pragma once
// In:  pieces of one computation that do not depend on each other, thousands of times a second.
// Out: all of them done by threads that are kept between calls.
// Not here: a few long pieces, once (parallel.h).

#include <algorithm>
#include <cstddef>
#include <memory>

namespace cp {

// Fork and join. Threads that have nothing to do look for work for some microseconds (fewer each time that was in vain)
// and then sleep, so that a pool takes nothing from other programs while it waits.
class ThreadPool {
 public:
  // `threads` of 1 or more, the caller of run() among them. The others begin at the first run().
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;
  // Not to be called while run() is under way.
  void set_threads(int threads);

  // Calls work(0) to work(count - 1), each once, in no promised order, and returns when all have ended. A thread takes
  // the next piece when it has ended one. After an exception no further piece begins; the first is thrown again. A call
  // from inside a piece, or while another thread's run() is under way, does its pieces itself. Allocates nothing.
  template <class Work>
  void run(std::size_t count, const Work& work) {
    run_pieces(
        count, [](const void* w, std::size_t i) { (*static_cast<const Work*>(w))(i); }, &work);
  }

  // work(begin, end) over ranges that together are 0 to rows; all but the last begin and end at multiples of `grain`.
  template <class Work>
  void run_ranges(std::size_t rows, std::size_t grain, const Work& work) {
    const std::size_t grains = (rows + grain - 1) / grain;
    const std::size_t pieces = std::min(grains, threads() == 1 ? 1 : kPieces * static_cast<std::size_t>(threads()));
    run(pieces,
        [&](std::size_t i) { work(grains * i / pieces * grain, std::min(rows, grains * (i + 1) / pieces * grain)); });
  }

 private:
  using Call = void (*)(const void* work, std::size_t piece);
  struct State;
  static constexpr std::size_t kPieces = 4;  // a thread: a slow one leaves the rest of its share to the others

  void run_pieces(std::size_t count, Call call, const void* work);

  std::unique_ptr<State> state_;
};

// The process's pool, used by the kernels: as many threads as processors it may run on, until set_threads().
ThreadPool& thread_pool();

// How many processors the operating system lets this process use; at least 1.
int usable_processors();

}  // namespace cp
