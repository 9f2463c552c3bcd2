#pragma once
// In:  sizes of packed weights.
// Out: zeroed memory for them, on large pages where the system has some: a product reads all of it front to back, and
//      the hardware looks ahead only within a page.
// Not here: what the bytes mean (packed4.h).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace cp {

// For vectors that begin at a cache line: a load of 64 bytes that crosses lines costs AMX four times the time.
template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, kLine); }
  bool operator==(const LineAllocator&) const { return true; }
};
template <class T>
using LineVector = std::vector<T, LineAllocator<T>>;

// A piece of an arena, aligned to a cache line; keeps its part of the arena alive. Moving it moves no bytes.
class WeightBytes {
 public:
  WeightBytes() = default;
  WeightBytes(std::shared_ptr<std::uint8_t[]> owner, std::uint8_t* begin, std::size_t size)
      : owner_(std::move(owner)), begin_(begin), size_(size) {}

  const std::uint8_t* data() const { return begin_; }
  std::uint8_t* data() { return begin_; }
  std::size_t size() const { return size_; }

 private:
  std::shared_ptr<std::uint8_t[]> owner_;
  std::uint8_t* begin_ = nullptr;
  std::size_t size_ = 0;
};

// Cuts pieces from chunks that are taken from the system as they are needed.
class WeightArena {
 public:
  static constexpr std::size_t kChunk = std::size_t{32} << 20;

  // Safe to call from several threads. Throws std::bad_alloc.
  WeightBytes take(std::size_t size);

 private:
  std::mutex lock_;
  std::shared_ptr<std::uint8_t[]> chunk_;
  std::size_t used_ = 0, capacity_ = 0;
};

}  // namespace cp
