#include "learn/allocator.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace cp {

namespace {

// Rows of packed samples differ a little from step to step: sizes that nearly agree may share a block.
constexpr std::size_t kRound = std::size_t{64} << 10;
constexpr std::size_t kWaste = 8;  // a block may be larger than what is asked for by one part in so many

}  // namespace

BlockCache::~BlockCache() { drop_free(0); }

void BlockCache::drop_free(std::size_t limit) {
  while (held_ > limit && !free_.empty()) {
    const auto largest = std::prev(free_.end());
    ::munmap(largest->second, largest->first);
    held_ -= largest->first;
    free_.erase(largest);
  }
}

void* BlockCache::take(std::size_t size) {
  if (size > SIZE_MAX - kRound) throw std::bad_alloc();
  size = std::max(size, std::size_t{1});
  size = (size + kRound - 1) / kRound * kRound;
  const std::lock_guard<std::mutex> lock(mutex_);
  void* block = nullptr;
  if (const auto fit = free_.lower_bound(size); fit != free_.end() && fit->first - size <= size / kWaste) {
    size = fit->first;
    block = fit->second;
    free_.erase(fit);
  } else {
    const std::size_t most = std::max(most_used_, used_ + size);
    const auto limit = static_cast<std::size_t>(kSlack * static_cast<double>(most));
    drop_free(limit > size ? limit - size : 0);
    block = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
      drop_free(0);
      block = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (block == MAP_FAILED) throw std::bad_alloc();
    held_ += size;
  }
  used_ += size;
  most_used_ = std::max(most_used_, used_);
  in_use_.emplace(block, size);
  return block;
}

bool BlockCache::give(void* block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = in_use_.find(block);
  if (found == in_use_.end()) return false;
  used_ -= found->second;
  free_.emplace(found->second, block);
  in_use_.erase(found);
  return true;
}

std::size_t BlockCache::held() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return held_;
}

std::size_t BlockCache::most_used() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return most_used_;
}

namespace {

// Never destroyed: tensors in static storage may outlive it.
BlockCache& tensor_blocks() {
  static auto* cache = new BlockCache;
  return *cache;
}

class TensorAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t size) override {
    if (size < BlockCache::kSmallest) return c10::GetDefaultCPUAllocator()->allocate(size);
    void* block = tensor_blocks().take(size);
    return {block, block, give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return give_back; }  // of blocks of any size
  void copy_data(void* to, const void* from, std::size_t size) const override { std::memcpy(to, from, size); }

 private:
  static void give_back(void* block) {
    if (!tensor_blocks().give(block)) c10::GetDefaultCPUAllocator()->raw_deallocate(block);
  }
};

}  // namespace

void tune_allocator() {
  // Read at the first product; what the user has set stays.
  ::setenv("LRU_CACHE_CAPACITY", "16", 0);
  ::setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", 0);
  static TensorAllocator allocator;
  c10::SetCPUAllocator(&allocator);
}

}  // namespace cp
