// Memory of tensors: reuse, bounds, and that tensors come from it.
#include "learn/allocator.h"

#include <c10/core/CPUAllocator.h>

#include <cstring>
#include <thread>
#include <vector>

#include "core/rng.h"
#include "learn/torch.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(BlockCache, GivesABlockAgainToWhatFitsIt) {
  BlockCache cache;
  void* first = cache.take(8 * kMiB);
  cache.give(first);
  EXPECT_EQ(cache.take(8 * kMiB - 1000), first);
  cache.give(first);
  void* small = cache.take(kMiB);
  EXPECT_NE(small, first) << "far too large for it";
  EXPECT_EQ(cache.most_used(), 8 * kMiB);
  cache.give(small);
}

TEST(BlockCache, HoldsLittleMoreThanWasEverInUseWhateverTheSizes) {
  BlockCache cache;
  Rng rng(3, Stream::test);
  std::vector<std::pair<unsigned char*, std::size_t>> live;
  for (int i = 0; i < 3000; ++i) {
    if (live.size() < 20 && rng.below(2) == 0) {
      const std::size_t size = BlockCache::kSmallest + rng.below(2 * kMiB);
      auto* block = static_cast<unsigned char*>(cache.take(size));
      for (const auto& [other, length] : live) ASSERT_TRUE(block + size <= other || other + length <= block);
      block[0] = block[size - 1] = 1;  // it can be written to its end
      live.emplace_back(block, size);
    } else if (!live.empty()) {
      cache.give(live.back().first);
      live.pop_back();
    }
    ASSERT_LE(static_cast<double>(cache.held()), BlockCache::kSlack * static_cast<double>(cache.most_used()));
  }
  for (const auto& [block, size] : live) cache.give(block);
  EXPECT_GT(cache.held(), 0u) << "the twin: nothing is kept";
}

TEST(BlockCache, IsSharedByThreads) {
  BlockCache cache;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 300; ++i) {
        auto* block = static_cast<unsigned char*>(cache.take(BlockCache::kSmallest));
        std::memset(block, t, 4096);
        EXPECT_TRUE(block[0] == t && block[4095] == t);
        cache.give(block);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.most_used(), 4 * BlockCache::kSmallest);
}

TEST(BlockCache, RefusesWhatNoMachineHasAndStrangersBlocks) {
  BlockCache cache;
  EXPECT_THROW(cache.take(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(cache.take(SIZE_MAX / 2), std::bad_alloc);
  int stranger = 0;
  EXPECT_FALSE(cache.give(&stranger));
  EXPECT_EQ(cache.held(), 0u);
}

TEST(BlockCache, TensorsComeFromItOnceTuned) {
  tune_allocator();
  const void* first = nullptr;
  {
    const at::Tensor t = at::ones({1024, 1024});
    first = t.data_ptr();
    EXPECT_EQ(t.sum().item<double>(), 1024 * 1024);
  }
  const at::Tensor again = at::ones({1024, 1024});
  EXPECT_EQ(again.data_ptr(), first);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 4096, 0u);
  EXPECT_EQ((at::ones({100}) * 2).sum().item<double>(), 200) << "small tensors too";
  for (const std::size_t size : {std::size_t{100}, kMiB}) {  // as oneDNN's convolutions take their scratch
    void* raw = c10::GetCPUAllocator()->raw_allocate(size);
    std::memset(raw, 1, size);
    c10::GetCPUAllocator()->raw_deallocate(raw);
  }
  const at::Tensor image = at::ones({1, 32, 64, 64}), kernel = at::ones({32, 32, 3, 3});
  EXPECT_EQ(at::conv2d(image, kernel, {}, 1, 1).max().item<double>(), 32 * 9);
}

}  // namespace
}  // namespace cp
