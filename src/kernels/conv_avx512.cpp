#include "kernels/conv_avx2.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/cpu.h"

#if CP_HAVE_AVX2
#include "kernels/intrinsics.h"

namespace cp {

namespace {

// What one run of output pixels shares: rows and columns of the window that lie inside the image.
struct Taps {
  int y0, y1, x0, x1;  // half-open ranges of ky and kx
};

// PIXELS neighbouring output pixels; a weight is loaded once for all of them. `x` points at tap (0, 0) of the first
// pixel.
template <int PIXELS>
CP_AVX512F void run(const DepthwiseArguments& d, const float* x, const Taps& taps, float* y) {
  const std::size_t channels = static_cast<std::size_t>(d.channels);
  const std::size_t row = static_cast<std::size_t>(d.width) * channels;
  const std::size_t step = static_cast<std::size_t>(d.window.stride) * channels;
  const __m512 zero = _mm512_setzero_ps(), six = _mm512_set1_ps(6.f);
  for (std::size_t c = 0; c < channels; c += 16) {
    __m512 sum[PIXELS];
#pragma GCC unroll 4
    for (int p = 0; p < PIXELS; ++p) sum[p] = _mm512_loadu_ps(d.bias + c);
    for (int ky = taps.y0; ky < taps.y1; ++ky) {
      const float* from = x + static_cast<std::size_t>(ky) * row + static_cast<std::size_t>(taps.x0) * channels + c;
      const float* weight = d.weight + static_cast<std::size_t>(ky * d.window.kernel + taps.x0) * channels + c;
      for (int kx = taps.x0; kx < taps.x1; ++kx, from += channels, weight += channels) {
        const __m512 w = _mm512_loadu_ps(weight);
#pragma GCC unroll 4
        for (int p = 0; p < PIXELS; ++p)
          sum[p] = _mm512_fmadd_ps(w, _mm512_loadu_ps(from + static_cast<std::size_t>(p) * step), sum[p]);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < PIXELS; ++p) {
      if (d.activation == Activation::relu6) sum[p] = _mm512_min_ps(_mm512_max_ps(sum[p], zero), six);
      _mm512_storeu_ps(y + static_cast<std::size_t>(p) * channels + c, sum[p]);
    }
  }
}

}  // namespace

CP_AVX512F void depthwise_avx512(const DepthwiseArguments& d) {
  const Window& w = d.window;
  constexpr int kPixels = 4;
  for (int out_y = 0; out_y < w.out_height; ++out_y) {
    const int in_y = out_y * w.stride - w.before;
    for (int out_x = 0; out_x < w.out_width;) {
      const int in_x = out_x * w.stride - w.before;
      const std::ptrdiff_t corner =  // of the first tap; it may lie outside, the taps used do not
          (static_cast<std::ptrdiff_t>(in_y) * d.width + in_x) * static_cast<std::ptrdiff_t>(d.channels);
      float* y = d.y + static_cast<std::size_t>(out_y * w.out_width + out_x) * static_cast<std::size_t>(d.channels);
      Taps taps{std::max(0, -in_y), std::min(w.kernel, d.height - in_y), std::max(0, -in_x),
                std::min(w.kernel, d.width - in_x)};
      const bool several =
          out_x + kPixels <= w.out_width && in_x >= 0 && in_x + (kPixels - 1) * w.stride + w.kernel <= d.width;
      if (several)
        run<kPixels>(d, d.x + corner, taps, y);
      else
        run<1>(d, d.x + corner, taps, y);
      out_x += several ? kPixels : 1;
    }
  }
}

}  // namespace cp

#else

namespace cp {

void depthwise_avx512(const DepthwiseArguments&) { CP_CHECK(false, "no AVX-512 in this build"); }

}  // namespace cp

#endif
