#pragma once
// In:  a number of pieces of work that do not depend on each other.
// Out: all of them done, by several threads.
// Not here: splitting one computation (learn/ leaves that to LibTorch).

#include <cstddef>
#include <functional>

namespace cp {

// Calls work(0) to work(count - 1), each once, by up to `threads` threads; the caller is one of them. After an
// exception no further piece begins; the first is thrown again once all threads have ended.
void for_each_index(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace cp
