#include "kernels/norm_lanes.h"

#include "kernels/cpu.h"

#if CP_HAVE_AVX2
#define CP_LANES 8
#define CP_TARGET CP_AVX2
#include "kernels/norm_lanes_body.h"

namespace cp {
const RowKernels* row_kernels_avx2() { return &kRowKernels; }
}  // namespace cp

#else

namespace cp {
const RowKernels* row_kernels_avx2() { return nullptr; }
}  // namespace cp

#endif
