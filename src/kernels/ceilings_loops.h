#pragma once
// In:  how often.
// Out: the loops that ceilings.h times: multiplications in registers, a sum over an array.
// Not here: clocks and threads (ceilings.cpp).

#include <cstddef>
#include <cstdint>

namespace cp {

struct CeilingLoop {
  void (*run)(long rounds) = nullptr;  // null: not on this processor
  double operations = 0;               // of one round; a multiplication and an addition are two
};

CeilingLoop fp32_loop();  // as simd() says
CeilingLoop int8_loop();  // as int_dot() says
CeilingLoop bf16_loop();  // as bf16_dot() says

std::uint64_t sum_words(const std::uint64_t* words, std::size_t n);  // n a multiple of 64

}  // namespace cp
