#pragma once
// In:  sizes of tensors.
// Out: their memory, kept for the next tensor of about that size.
// Not here: small blocks (malloc's), memory of other devices.
//
// A step allocates the same large tensors again and again. glibc's malloc either maps and unmaps each (a page fault for
// every 4 KB) or, once its threshold has risen, keeps them in a heap where an aligned block never fits the hole that
// one of its size has left (sourceware bug 14581, open in 2.36).

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>

namespace cp {

// Blocks of whole mappings. Those given back are kept for reuse as long as what is held stays within kSlack of the most
// that was ever in use at once, so that peak memory is that of an exact allocator and a little more. Thread-safe.
class BlockCache {
 public:
  static constexpr std::size_t kSmallest = std::size_t{64} << 10;  // below that malloc does well
  static constexpr double kSlack = 1.05;

  BlockCache() = default;
  ~BlockCache();  // unmaps what is free; blocks in use stay valid
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // At least `size` bytes, page-aligned, contents arbitrary. Throws std::bad_alloc.
  void* take(std::size_t size);
  bool give(void* block);  // false: not one that take() returned, and nothing happens

  std::size_t held() const;       // bytes mapped now, in use or free
  std::size_t most_used() const;  // the most bytes that were in use at once

 private:
  void drop_free(std::size_t limit);  // until no more than `limit` bytes are held, or nothing is free

  mutable std::mutex mutex_;
  std::multimap<std::size_t, void*> free_;         // by size
  std::unordered_map<void*, std::size_t> in_use_;  // sizes
  std::size_t held_ = 0, used_ = 0, most_used_ = 0;
};

// Lets torch's tensors on the CPU come from a BlockCache, and bounds what oneDNN keeps for each shape of a product
// (1,024 entries by default: packed rows have a new shape in almost every step, and a run of SmolLM2-135M grew from
// 0.79 to 1.74 GB within 200 updates). To be called once by a program that trains, before it loads. Measured
// (bench_qlora_step with and without --no-tuning, Qwen2.5-0.5B as NF4, 160 tokens, one thread): a peak of 886 instead
// of 1,800 MiB at the same seconds; mapping each tensor anew peaks at 859 MiB and takes 1.7 times as long.
void tune_allocator();

}  // namespace cp
