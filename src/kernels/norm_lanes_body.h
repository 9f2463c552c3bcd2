// In:  CP_LANES (8 or 16) and CP_TARGET (CP_AVX2 or CP_AVX512F), defined by the file that includes this one.
// Out: `kRowKernels`, the functions of norm_lanes.h with registers of so many float32 values.
// Not here: anything else; included by norm_lanes_avx2.cpp and norm_lanes_avx512.cpp, once each, hence no guard.

#include <cmath>
#include <cstring>

#include "kernels/cpu.h"
#include "kernels/intrinsics.h"
#include "kernels/norm_lanes.h"

namespace cp {
namespace {

constexpr std::size_t kLanes = CP_LANES;

#if CP_LANES == 16
#define CP_OP(name) _mm512_##name##_ps
using F = __m512;
using D = __m512d;
CP_TARGET inline F round_whole(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT); }
// 2^n for whole n
CP_TARGET inline F power_of_two(F n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
CP_TARGET inline F zero_where_below(F x, F limit, F y) {
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), _mm512_setzero_ps());
}
CP_TARGET inline D low(F x) { return _mm512_cvtps_pd(_mm512_castps512_ps256(x)); }
CP_TARGET inline D high(F x) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)); }
#else
#define CP_OP(name) _mm256_##name##_ps
using F = __m256;
using D = __m256d;
CP_TARGET inline F round_whole(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
CP_TARGET inline F power_of_two(F n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
CP_TARGET inline F zero_where_below(F x, F limit, F y) {
  return _mm256_andnot_ps(_mm256_cmp_ps(x, limit, _CMP_LT_OQ), y);
}
CP_TARGET inline D low(F x) { return _mm256_cvtps_pd(_mm256_castps256_ps128(x)); }
CP_TARGET inline D high(F x) { return _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)); }
#endif

CP_TARGET inline F all(float x) { return CP_OP(set1)(x); }
CP_TARGET inline F load(const float* p) { return CP_OP(loadu)(p); }
CP_TARGET inline F fma(F a, F b, F c) { return CP_OP(fmadd)(a, b, c); }
CP_TARGET inline double sum_of(D v) {
  double lanes[kLanes / 2], sum = 0;
  std::memcpy(lanes, &v, sizeof v);
  for (const double lane : lanes) sum += lane;
  return sum;
}

// n = x / ln 2 rounded, 2^n e^(x - n ln 2); the polynomial is that of Cephes' expf (Moshier), 2^-24 off at most.
CP_TARGET inline F exp_of(F x) {
  // The second operand is what max and min give for NaN.
  const F inside = CP_OP(max)(all(-87.3f), CP_OP(min)(all(88.37f), x));
  const F n = round_whole(inside * all(1.44269504f));
  const F r = fma(n, all(2.12194440e-4f), fma(n, all(-0.693359375f), inside));
  F p = all(1.9875691500e-4f);
  p = fma(p, r, all(1.3981999507e-3f));
  p = fma(p, r, all(8.3334519073e-3f));
  p = fma(p, r, all(4.1665795894e-2f));
  p = fma(p, r, all(1.6666665459e-1f));
  p = fma(p, r, all(5.0000001201e-1f));
  p = fma(p * r, r, r + all(1.f));
  return zero_where_below(x, all(-87.3f), p * power_of_two(n));
}

CP_TARGET inline F sigmoid_of(F x) { return all(1.f) / (all(1.f) + exp_of(all(0.f) - x)); }
CP_TARGET inline F silu_of(F x) { return x * sigmoid_of(x); }
CP_TARGET inline F quick_gelu_of(F x) { return x * sigmoid_of(all(1.702f) * x); }

// x / 2 erfc(-x / sqrt 2). erfc(z) for z >= 0 is that of Numerical Recipes (Press et al., erfcc), 1.2e-7 of itself off.
CP_TARGET inline F gelu_of(F x) {
  const F size = CP_OP(min)(all(20.f), CP_OP(max)(all(0.f) - x, x)), z = size * all(0.70710678f);  // 20: tail is 0
  const F t = all(1.f) / fma(all(0.5f), z, all(1.f));
  F p = all(0.17087277f);
  p = fma(p, t, all(-0.82215223f));
  p = fma(p, t, all(1.48851587f));
  p = fma(p, t, all(-1.13520398f));
  p = fma(p, t, all(0.27886807f));
  p = fma(p, t, all(-0.18628806f));
  p = fma(p, t, all(0.09678418f));
  p = fma(p, t, all(0.37409196f));
  p = fma(p, t, all(1.00002368f));
  p = fma(p, t, all(-1.26551223f));
  const F tail = t * exp_of(p - z * z);  // erfc(|x| / sqrt 2)
  // x <= 0: -|x|/2 tail; x > 0: x - |x|/2 tail. max(0, x) is NaN for NaN, its second operand.
  return CP_OP(max)(all(0.f), x) - all(0.5f) * size * tail;
}

#define CP_FOR_ALL(function)                                                               \
  CP_TARGET void function(float* x, std::size_t n) {                                       \
    std::size_t i = 0;                                                                     \
    for (; i + kLanes <= n; i += kLanes) CP_OP(storeu)(x + i, function##_of(load(x + i))); \
    if (i == n) return;                                                                    \
    float rest[kLanes] = {};                                                               \
    std::memcpy(rest, x + i, (n - i) * sizeof(float));                                     \
    CP_OP(storeu)(rest, function##_of(load(rest)));                                        \
    std::memcpy(x + i, rest, (n - i) * sizeof(float));                                     \
  }
CP_TARGET inline F exponential_of(F x) { return exp_of(x); }
CP_FOR_ALL(exponential)
CP_FOR_ALL(gelu)
CP_FOR_ALL(quick_gelu)
CP_FOR_ALL(silu)
CP_FOR_ALL(sigmoid)
#undef CP_FOR_ALL

// Two passes: the difference of large sums would lose digits.
CP_TARGET void moments(const float* x, std::size_t n, double& mean, double& variance) {
  D sum0 = {}, sum1 = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F v = load(x + i);
    sum0 += low(v);
    sum1 += high(v);
  }
  double sum = sum_of(sum0 + sum1);
  for (; i < n; ++i) sum += x[i];
  mean = sum / static_cast<double>(n);
  const D centre = D{} + mean;
  D square0 = {}, square1 = {};
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const F v = load(x + i);
    const D a = low(v) - centre, b = high(v) - centre;
    square0 += a * a;
    square1 += b * b;
  }
  double square = sum_of(square0 + square1);
  for (; i < n; ++i) square += (x[i] - mean) * (x[i] - mean);
  variance = square / static_cast<double>(n);
}

CP_TARGET double square_sum(const float* x, std::size_t n) {
  D sum0 = {}, sum1 = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F v = load(x + i);
    sum0 += low(v) * low(v);
    sum1 += high(v) * high(v);
  }
  double sum = sum_of(sum0 + sum1);
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

CP_TARGET void affine(float* x, std::size_t rows, std::size_t width, float mean, float scale, const float* weight,
                      const float* bias) {
  for (; rows > 0; --rows, x += width) {
    std::size_t i = 0;
    for (; i + kLanes <= width; i += kLanes) {
      const F v = (load(x + i) - all(mean)) * all(scale) * load(weight + i);
      CP_OP(storeu)(x + i, bias ? v + load(bias + i) : v);
    }
    for (; i < width; ++i) x[i] = (x[i] - mean) * scale * weight[i] + (bias ? bias[i] : 0.f);
  }
}

CP_TARGET void softmax(float* x, std::size_t n) {
  float top = x[0];
  for (std::size_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
  const F most = all(top);
  D sum0 = {}, sum1 = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const F e = exp_of(load(x + i) - most);
    CP_OP(storeu)(x + i, e);
    sum0 += low(e);
    sum1 += high(e);
  }
  double sum = sum_of(sum0 + sum1);
  if (i < n) {
    float rest[kLanes];
    CP_OP(storeu)(rest, most);
    std::memcpy(rest, x + i, (n - i) * sizeof(float));
    CP_OP(storeu)(rest, exp_of(load(rest) - most));
    std::memcpy(x + i, rest, (n - i) * sizeof(float));
    for (; i < n; ++i) sum += x[i];
  }
  const float share = static_cast<float>(1.0 / sum);
  for (i = 0; i + kLanes <= n; i += kLanes) CP_OP(storeu)(x + i, load(x + i) * all(share));
  for (; i < n; ++i) x[i] *= share;
}

#undef CP_OP

constexpr RowKernels kRowKernels = {moments, affine, square_sum, softmax, exponential, gelu, quick_gelu, silu, sigmoid};

}  // namespace
}  // namespace cp
