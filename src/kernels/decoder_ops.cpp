#include "kernels/decoder_ops.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/norm.h"

#if CP_HAVE_AVX2
#include "kernels/lanes_avx2.h"
#endif

namespace cp {

namespace {

#if CP_HAVE_AVX2
// exp(x) within 2 units in the last place: 2^n e^r, |r| <= ln 2 / 2, with the polynomial of Cephes' expf (Moshier
// 1992). Not a number stays so; below -87 the result is 1e-38, not 0.
CP_AVX2 inline __m256 exp8(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(-87.f), _mm256_min_ps(_mm256_set1_ps(88.f), x));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896341f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.9875691500e-4f);
  for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c));
  p = _mm256_add_ps(_mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r), _mm256_set1_ps(1.f));
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

CP_AVX2 double square_sum_avx2(const float* x, std::size_t n) {
  __m256d even = _mm256_setzero_pd(), odd = even;
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    const __m256d a = _mm256_cvtps_pd(_mm_loadu_ps(x + i)), b = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4));
    even = _mm256_fmadd_pd(a, a, even);
    odd = _mm256_fmadd_pd(b, b, odd);
  }
  alignas(32) double lanes[4];
  _mm256_store_pd(lanes, _mm256_add_pd(even, odd));
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

CP_AVX2 void scaled_avx2(const float* x, float scale, const float* weight, std::size_t n, float* out) {
  for (std::size_t i = 0; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(scale)),
                                            _mm256_loadu_ps(weight + i)));
}

CP_AVX2 void gated_silu_avx2(float* gate, const float* up, std::size_t n) {
  const __m256 one = _mm256_set1_ps(1.f), sign = _mm256_set1_ps(-0.f);
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    const __m256 g = _mm256_loadu_ps(gate + i);
    const __m256 swish = _mm256_div_ps(g, _mm256_add_ps(one, exp8(_mm256_xor_ps(g, sign))));
    _mm256_storeu_ps(gate + i, _mm256_mul_ps(swish, _mm256_loadu_ps(up + i)));
  }
}

CP_AVX2 void rotate_avx2(float* low, float* high, const float* cosines, const float* sines, std::size_t n) {
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    const __m256 c = _mm256_loadu_ps(cosines + i), s = _mm256_loadu_ps(sines + i);
    const __m256 a = _mm256_loadu_ps(low + i), b = _mm256_loadu_ps(high + i);
    _mm256_storeu_ps(low + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
    _mm256_storeu_ps(high + i, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
  }
}

// x = exp(x - top); the sum of them.
CP_AVX2 double exp_sum_avx2(float* x, std::size_t n, float top) {
  __m256d even = _mm256_setzero_pd(), odd = even;
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    const __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(top)));
    _mm256_storeu_ps(x + i, e);
    even = _mm256_add_pd(even, _mm256_cvtps_pd(_mm256_castps256_ps128(e)));
    odd = _mm256_add_pd(odd, _mm256_cvtps_pd(_mm256_extractf128_ps(e, 1)));
  }
  alignas(32) double lanes[4];
  _mm256_store_pd(lanes, _mm256_add_pd(even, odd));
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}
#endif

// How many of n values the AVX2 code takes: the multiple of 8 below; none on other processors.
std::size_t by_eights(std::size_t n) { return simd() >= Simd::avx2 ? n / 8 * 8 : 0; }

double exp_sum(float* x, int count, float top) {
  const std::size_t n = static_cast<std::size_t>(count), wide = by_eights(n);
  double sum = 0;
#if CP_HAVE_AVX2
  if (wide > 0) sum = exp_sum_avx2(x, wide, top);
#endif
  for (std::size_t i = wide; i < n; ++i) sum += x[i] = std::exp(x[i] - top);
  return sum;
}

}  // namespace

void rms_norm_to(std::span<const float> x, std::span<const float> weight, float eps, float* out) {
  const std::size_t width = weight.size(), wide = by_eights(width);
  CP_CHECK(width > 0 && x.size() % width == 0, "rms_norm_to: x is not made of rows as long as the weight");
  for (const float* row = x.data(); row < x.data() + x.size(); row += width, out += width) {
    double square = 0;
#if CP_HAVE_AVX2
    if (wide > 0) square = square_sum_avx2(row, wide);
#endif
    for (std::size_t i = wide; i < width; ++i) square += static_cast<double>(row[i]) * row[i];
    const float scale = static_cast<float>(1.0 / std::sqrt(square / static_cast<double>(width) + eps));
#if CP_HAVE_AVX2
    if (wide > 0) scaled_avx2(row, scale, weight.data(), wide, out);
#endif
    for (std::size_t i = wide; i < width; ++i) out[i] = row[i] * scale * weight[i];
  }
}

void gated_silu(float* gate, const float* up, std::size_t n) {
  const std::size_t wide = by_eights(n);
#if CP_HAVE_AVX2
  if (wide > 0) gated_silu_avx2(gate, up, wide);
#endif
  for (std::size_t i = wide; i < n; ++i) gate[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

void rotate_heads(float* x, int heads, int half, const float* cosines, const float* sines) {
  const std::size_t n = static_cast<std::size_t>(half), wide = by_eights(n);
  for (int h = 0; h < heads; ++h, x += 2 * n) {
#if CP_HAVE_AVX2
    if (wide > 0) rotate_avx2(x, x + n, cosines, sines, wide);
#endif
    for (std::size_t i = wide; i < n; ++i) {
      const float low = x[i], high = x[i + n];
      x[i] = low * cosines[i] - high * sines[i];
      x[i + n] = high * cosines[i] + low * sines[i];
    }
  }
}

void softmax_parts(float* a, int a_count, float* b, int b_count) {
  CP_CHECK(a_count + b_count > 0, "softmax_parts: nothing");
  float top = a_count > 0 ? a[0] : b[0];
  for (int i = 0; i < a_count; ++i) top = std::max(top, a[i]);
  for (int i = 0; i < b_count; ++i) top = std::max(top, b[i]);
  const float share = static_cast<float>(1.0 / (exp_sum(a, a_count, top) + exp_sum(b, b_count, top)));
  for (int i = 0; i < a_count; ++i) a[i] *= share;
  for (int i = 0; i < b_count; ++i) b[i] *= share;
}

}  // namespace cp
