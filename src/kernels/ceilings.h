#pragma once
// In:  how many threads.
// Out: what this machine does at most at this moment: bytes read from memory, sums of products; to stand beside every
//      speed that is measured in the same process.
// Not here: the kernels that are held against them.

#include <cstddef>

namespace cp {

// Best of several passes over 256 MiB on large pages by thread_pool(): GB/s (1e9) read.
double read_ceiling();

// Sums of products in registers alone, by all threads of thread_pool() at once, 1e9 operations a second (a product and
// its sum are two). 0 where the processor has no such instruction.
double float_ceiling();  // float32, the widest fused multiply-add of simd()
double int8_ceiling();   // as int_dot() has it; 0 for scalar
double bf16_ceiling();   // as bf16_dot() has it; 0 for widened

}  // namespace cp
