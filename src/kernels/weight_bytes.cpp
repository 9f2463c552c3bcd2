#include "kernels/weight_bytes.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace cp {

namespace {

constexpr std::size_t kLine = 64, kLargePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Anonymous pages that begin at a large page; those that are never written take no memory.
std::shared_ptr<std::uint8_t[]> pages(std::size_t size) {
  const std::size_t mapped = size + kLargePage;
  void* const address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  auto* const first = reinterpret_cast<std::uint8_t*>(round_up(reinterpret_cast<std::uintptr_t>(address), kLargePage));
#ifdef MADV_HUGEPAGE
  ::madvise(first, size, MADV_HUGEPAGE);  // only advice
#endif
  return {first, [address, mapped](std::uint8_t*) { ::munmap(address, mapped); }};
}

}  // namespace

WeightBytes WeightArena::take(std::size_t size) {
  const std::lock_guard hold(lock_);
  const std::size_t rounded = round_up(size, kLine);
  if (used_ + rounded > capacity_) {
    const std::size_t wanted = round_up(std::max(rounded, kChunk), kLargePage);
    chunk_ = pages(wanted);
    capacity_ = wanted;
    used_ = 0;
  }
  WeightBytes piece(chunk_, chunk_.get() + used_, size);
  used_ += rounded;
  return piece;
}

}  // namespace cp
