#include "kernels/swiglu_bf16.h"

#include "core/error.h"
#include "kernels/cpu.h"

#if CP_HAVE_AVX2
#include "kernels/intrinsics.h"

namespace cp {
namespace {

constexpr std::size_t kLanes = 16;

// The last values of a span: a mask of as many lanes as are left.
inline __mmask16 lanes_left(std::size_t left) {
  return left >= kLanes ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << left) - 1);
}

CP_AVX512_BF16 inline __m512 load(const std::uint16_t* from, __mmask16 mask) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16));
}
CP_AVX512_BF16 inline void store(std::uint16_t* to, __mmask16 mask, __m512 value) {
  _mm256_mask_storeu_epi16(to, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
}

// e^x to two units in the last place, infinity or 0 where float32 ends: 2^n e^r with |r| <= ln 2 / 2 and a polynomial
// for e^r (Cephes' expf).
CP_AVX512_BF16 inline __m512 exp16(__m512 x) {
  x = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(200.f)), _mm512_set1_ps(-200.f));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
  __m512 p = _mm512_set1_ps(1.9875691500e-4f);
  for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), _mm512_add_ps(r, _mm512_set1_ps(1.f)));
  return _mm512_scalef_ps(p, n);
}

CP_AVX512_BF16 inline __m512 sigmoid16(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.f);
  const __m512 s = _mm512_div_ps(one, _mm512_add_ps(one, exp16(_mm512_sub_ps(_mm512_setzero_ps(), x))));
  return _mm512_mask_mov_ps(s, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);  // min and max lose a NaN
}

CP_AVX512_BF16 void forward(const std::uint16_t* gate, const std::uint16_t* up, std::uint16_t* out, std::size_t size) {
  for (std::size_t i = 0; i < size; i += kLanes) {
    const __mmask16 mask = lanes_left(size - i);
    const __m512 g = load(gate + i, mask);
    store(out + i, mask, _mm512_mul_ps(_mm512_mul_ps(g, sigmoid16(g)), load(up + i, mask)));
  }
}

CP_AVX512_BF16 void backward(const std::uint16_t* gate, const std::uint16_t* up, const std::uint16_t* dy,
                             std::uint16_t* dgate, std::uint16_t* dup, std::size_t size) {
  const __m512 one = _mm512_set1_ps(1.f);
  for (std::size_t i = 0; i < size; i += kLanes) {
    const __mmask16 mask = lanes_left(size - i);
    const __m512 g = load(gate + i, mask), d = load(dy + i, mask), s = sigmoid16(g);
    const __m512 slope = _mm512_mul_ps(s, _mm512_fmadd_ps(g, _mm512_sub_ps(one, s), one));
    store(dgate + i, mask, _mm512_mul_ps(_mm512_mul_ps(d, load(up + i, mask)), slope));
    store(dup + i, mask, _mm512_mul_ps(d, _mm512_mul_ps(g, s)));
  }
}

}  // namespace

void swiglu_bf16(std::span<const std::uint16_t> gate, std::span<const std::uint16_t> up, std::span<std::uint16_t> out) {
  CP_CHECK(swiglu_bf16_ready() && gate.size() == up.size() && out.size() == up.size(), "swiglu_bf16");
  forward(gate.data(), up.data(), out.data(), out.size());
}

void swiglu_bf16_backward(std::span<const std::uint16_t> gate, std::span<const std::uint16_t> up,
                          std::span<const std::uint16_t> dy, std::span<std::uint16_t> dgate,
                          std::span<std::uint16_t> dup) {
  CP_CHECK(swiglu_bf16_ready() && gate.size() == up.size() && dy.size() == up.size() && dgate.size() == up.size() &&
               dup.size() == up.size(),
           "swiglu_bf16_backward");
  backward(gate.data(), up.data(), dy.data(), dgate.data(), dup.data(), dup.size());
}

}  // namespace cp

#else

namespace cp {

void swiglu_bf16(std::span<const std::uint16_t>, std::span<const std::uint16_t>, std::span<std::uint16_t>) {
  CP_CHECK(false, "no AVX-512 in this build");
}
void swiglu_bf16_backward(std::span<const std::uint16_t>, std::span<const std::uint16_t>,
                          std::span<const std::uint16_t>, std::span<std::uint16_t>, std::span<std::uint16_t>) {
  CP_CHECK(false, "no AVX-512 in this build");
}

}  // namespace cp

#endif

namespace cp {

bool swiglu_bf16_ready() { return bf16_dot() != Bf16Dot::widened; }

}  // namespace cp
