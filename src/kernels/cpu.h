#pragma once
// In:  nothing.
// Out: which instruction set the kernels of this folder use, picked once from what the processor has.
// Not here: the kernels.

namespace cp {

// avx2 stands for AVX2 + FMA + F16C, which came together (2013). Everything else runs the scalar code.
enum class Simd { scalar, avx2 };

// What the kernels use now: the best that the processor has, unless a test asked for less.
Simd simd();
const char* simd_name(Simd level);

// Test hook: use `level` from now on (never more than the processor has). Not to be called while kernels run.
void set_simd(Simd level);

// Whether the processor multiplies bfloat16 itself (AVX512_BF16, which processors with AMX have too). LibTorch's
// products in bfloat16 are then several times as fast as in float32, and slower elsewhere.
bool bf16_products_are_fast();

}  // namespace cp

// Functions marked so may use intrinsics although the rest of the program is compiled for any x86-64; they are called
// only after simd() said avx2. Elsewhere the scalar code is all there is.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CP_HAVE_AVX2 1
#define CP_AVX2 __attribute__((target("avx2,fma,f16c")))
#else
#define CP_HAVE_AVX2 0
#endif
