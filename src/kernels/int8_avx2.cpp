#include "kernels/int8_avx2.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"

#if CP_HAVE_AVX2
#include "kernels/lanes_avx2.h"

namespace cp {

namespace {

CP_AVX2 inline __m256 eight(const std::int8_t* codes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes))));
}

template <int ROWS>
CP_AVX2 void few_rows(const float* a, const Int8Matrix& w, const float* bias, float* c) {
  const std::size_t k = static_cast<std::size_t>(w.in), n = static_cast<std::size_t>(w.out);
  const std::int8_t* codes = w.codes.data();
  for (std::size_t row = 0; row < n; ++row, codes += k) {
    __m256 even[ROWS], odd[ROWS];
    for (int r = 0; r < ROWS; ++r) even[r] = odd[r] = _mm256_setzero_ps();
    std::size_t i = 0;
    for (; i + 16 <= k; i += 16) {
      const __m256 first = eight(codes + i), second = eight(codes + i + 8);
#pragma GCC unroll 4
      for (int r = 0; r < ROWS; ++r) {
        const float* from = a + static_cast<std::size_t>(r) * k + i;
        even[r] = _mm256_fmadd_ps(first, _mm256_loadu_ps(from), even[r]);
        odd[r] = _mm256_fmadd_ps(second, _mm256_loadu_ps(from + 8), odd[r]);
      }
    }
    for (int r = 0; r < ROWS; ++r) {
      float sum = sum_lanes(_mm256_add_ps(even[r], odd[r]));
      for (std::size_t j = i; j < k; ++j) sum += a[static_cast<std::size_t>(r) * k + j] * static_cast<float>(codes[j]);
      c[static_cast<std::size_t>(r) * n + row] = sum * w.scales[row] + (bias ? bias[row] : 0.f);
    }
  }
}

}  // namespace

void int8_few_rows_avx2(const float* a, int m, const Int8Matrix& w, const float* bias, float* c) {
  CP_CHECK(m >= 0 && m <= kInt8FewRows, "rows");
  if (m == 1) few_rows<1>(a, w, bias, c);
  if (m == 2) few_rows<2>(a, w, bias, c);
  if (m == 3) few_rows<3>(a, w, bias, c);
  if (m == 4) few_rows<4>(a, w, bias, c);
}

CP_AVX2 void int8_panel_avx2(const Int8Matrix& w, int p, float* panel) {
  constexpr int kPanel = PackedMatrix::kPanel;
  const std::size_t k = static_cast<std::size_t>(w.in);
  for (int half = 0; half < kPanel; half += 8) {
    const std::int8_t* codes[8];
    float scales[8];
    for (int r = 0; r < 8; ++r) {
      const std::size_t row = static_cast<std::size_t>(std::min(p * kPanel + half + r, w.out - 1));
      codes[r] = w.codes.data() + row * k;
      scales[r] = w.scales[row];
    }
    float* to = panel + half;
    std::size_t i = 0;
    for (; i + 8 <= k; i += 8) {
      __m256 values[8];
      for (int r = 0; r < 8; ++r) values[r] = _mm256_mul_ps(eight(codes[r] + i), _mm256_set1_ps(scales[r]));
      transpose8(values);
      for (int j = 0; j < 8; ++j, to += kPanel) _mm256_storeu_ps(to, values[j]);
    }
    for (; i < k; ++i, to += kPanel)
      for (int r = 0; r < 8; ++r) to[r] = static_cast<float>(codes[r][i]) * scales[r];
  }
}

CP_AVX2 float int8_largest_avx2(const float* w, std::size_t n, float& zero) {
  const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 most = _mm256_setzero_ps(), zeros = most;
  for (std::size_t i = 0; i < n; i += 8) {
    const __m256 value = _mm256_loadu_ps(w + i);
    most = _mm256_max_ps(most, _mm256_and_ps(value, no_sign));
    zeros = _mm256_fmadd_ps(value, _mm256_setzero_ps(), zeros);
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, most);
  zero = sum_lanes(zeros);
  return *std::max_element(lanes, lanes + 8);
}

CP_AVX2 void int8_codes_avx2(const float* w, std::size_t n, float scale, std::int8_t* codes) {
  const __m256 divisor = _mm256_set1_ps(scale), most = _mm256_set1_ps(127.f), least = _mm256_set1_ps(-127.f);
  for (std::size_t i = 0; i < n; i += 8) {
    const __m256 share = _mm256_div_ps(_mm256_loadu_ps(w + i), divisor);
    const __m256i whole = _mm256_cvtps_epi32(_mm256_max_ps(least, _mm256_min_ps(most, share)));
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(codes + i), _mm_packs_epi16(words, words));
  }
}

}  // namespace cp

#else

namespace cp {

void int8_few_rows_avx2(const float*, int, const Int8Matrix&, const float*, float*) {
  CP_CHECK(false, "no AVX2 in this build");
}
void int8_panel_avx2(const Int8Matrix&, int, float*) { CP_CHECK(false, "no AVX2 in this build"); }

float int8_largest_avx2(const float*, std::size_t, float&) { CP_CHECK(false, "no AVX2 in this build"); }
void int8_codes_avx2(const float*, std::size_t, float, std::int8_t*) { CP_CHECK(false, "no AVX2 in this build"); }

}  // namespace cp

#endif
