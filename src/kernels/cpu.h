#pragma once
// In:  nothing.
// Out: which instruction set the kernels of this folder use, picked once from what the processor has.
// Not here: the kernels.

namespace cp {

// Each level has those before it. avx2 stands for AVX2 + FMA + F16C, which came together (2013); avx512 for F, BW, VL
// and DQ (2017). Everything else runs the scalar code.
enum class Simd { scalar, avx2, avx512 };

// What the kernels use now: the best that the processor has, unless a test asked for less.
Simd simd();
const char* simd_name(Simd level);

// Test hook: use `level` from now on (never more than the processor has). Not to be called while kernels run.
void set_simd(Simd level);

// Whether the processor multiplies bfloat16 itself (AVX512_BF16, which processors with AMX have too). LibTorch's
// products in bfloat16 are then several times as fast as in float32, and slower elsewhere.
bool bf16_products_are_fast();

// How sums of products of 8-bit integers are computed (packed4.h). All give the same numbers; each has what stands
// before it. avx2: maddubs on absolute values. avx2_vnni: vpdpbusd on 256 bits. avx512_vnni: on 512 bits, with VBMI.
enum class IntDot { scalar, avx2, avx2_vnni, avx512_vnni };

// The best that the processor has; scalar where simd() is.
IntDot int_dot();
const char* int_dot_name(IntDot way);
// Test hook: use `way`; whether the processor has it (if not, nothing changes).
bool set_int_dot(IntDot way);

// How products of bfloat16 matrices are computed: widened to float32, by AVX512_BF16, or by AMX tiles.
enum class Bf16Dot { widened, avx512, amx };

// The best that the processor has and the operating system permits; widened where simd() is scalar.
Bf16Dot bf16_dot();
const char* bf16_dot_name(Bf16Dot way);
bool set_bf16_dot(Bf16Dot way);  // as set_int_dot()

}  // namespace cp

// Functions marked so may use intrinsics although the rest of the program is compiled for any x86-64; they are called
// only after simd() (avx512 for CP_AVX512F), int_dot() or bf16_dot() said so. Elsewhere the scalar code is all there
// is.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CP_HAVE_AVX2 1
#define CP_AVX2 __attribute__((target("avx2,fma,f16c")))
#define CP_AVX2_VNNI __attribute__((target("avx2,fma,f16c,avxvnni")))
#define CP_AVX512F __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")))
#define CP_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vnni")))
#define CP_AVX512_BF16 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define CP_AMX __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))
#else
#define CP_HAVE_AVX2 0
#endif
