#include "core/parallel.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace cp {

void for_each_index(std::size_t count, int threads, const std::function<void(std::size_t)>& work) {
  std::mutex lock;
  std::exception_ptr failed;
  std::atomic<std::size_t> next{0};
  const auto take_pieces = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard hold(lock);
        if (!failed) failed = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> workers;
  for (int t = 1; t < threads; ++t) workers.emplace_back(take_pieces);
  take_pieces();
  for (std::thread& worker : workers) worker.join();
  if (failed) std::rethrow_exception(failed);
}

}  // namespace cp
