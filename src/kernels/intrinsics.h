#pragma once
// In:  nothing.
// Out: <immintrin.h> without the warnings that GCC 12 gives about its own AVX-512 functions when it inlines them
//      (GCC bug 105593: "may be used uninitialized").
// Not here: which instructions there are (cpu.h); included only where CP_HAVE_AVX2 is 1.

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
