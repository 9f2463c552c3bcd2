#include "kernels/conv.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/conv_avx2.h"
#include "kernels/cpu.h"

namespace cp {

namespace {

std::size_t volume(int a, int b, int c) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

// One row of output pixels as patches (out_width, k k C); what lies outside the image is zero.
void im2col_row(const float* x, int height, int width, int channels, const Window& w, int out_y, float* rows) {
  const std::size_t pixel = static_cast<std::size_t>(channels);
  for (int out_x = 0; out_x < w.out_width; ++out_x)
    for (int ky = 0; ky < w.kernel; ++ky)
      for (int kx = 0; kx < w.kernel; ++kx, rows += pixel) {
        const int in_y = out_y * w.stride - w.before + ky, in_x = out_x * w.stride - w.before + kx;
        if (in_y < 0 || in_y >= height || in_x < 0 || in_x >= width)
          std::fill_n(rows, pixel, 0.f);
        else
          std::copy_n(x + volume(in_y, width, channels) + static_cast<std::size_t>(in_x) * pixel, pixel, rows);
      }
}

void depthwise_scalar(const DepthwiseArguments& d) {
  for (int out_y = 0; out_y < d.window.out_height; ++out_y)
    for (int out_x = 0; out_x < d.window.out_width; ++out_x)
      for (int c = 0; c < d.channels; ++c) {
        float sum = d.bias[c];
        for (int ky = 0; ky < d.window.kernel; ++ky)
          for (int kx = 0; kx < d.window.kernel; ++kx) {
            const int in_y = out_y * d.window.stride - d.window.before + ky;
            const int in_x = out_x * d.window.stride - d.window.before + kx;
            if (in_y < 0 || in_y >= d.height || in_x < 0 || in_x >= d.width) continue;
            sum += d.x[volume(in_y, d.width, d.channels) + volume(1, in_x, d.channels) + static_cast<std::size_t>(c)] *
                   d.weight[volume(1, ky * d.window.kernel + kx, d.channels) + static_cast<std::size_t>(c)];
          }
        if (d.activation == Activation::relu6) sum = std::clamp(sum, 0.f, 6.f);
        d.y[volume(out_y, d.window.out_width, d.channels) + volume(1, out_x, d.channels) +
            static_cast<std::size_t>(c)] = sum;
      }
}

}  // namespace

Window same_window(int height, int width, int kernel, int stride) {
  Window w;
  w.kernel = kernel;
  w.stride = stride;
  w.out_height = (height + stride - 1) / stride;
  w.out_width = (width + stride - 1) / stride;
  const int down = std::max((w.out_height - 1) * stride + kernel - height, 0);
  const int across = std::max((w.out_width - 1) * stride + kernel - width, 0);
  CP_CHECK(down / 2 == across / 2, "same_window: height and width need different padding");
  w.before = down / 2;
  return w;
}

PackedMatrix pack_conv(std::span<const float> weight, int out_channels, int in_channels, int kernel) {
  const int taps = kernel * kernel;
  CP_CHECK(weight.size() == volume(out_channels, in_channels, taps), "pack_conv: size is not O x I x k x k");
  std::vector<float> by_patch(weight.size());  // (O, k k, I)
  for (int o = 0; o < out_channels; ++o)
    transpose(weight.subspan(volume(o, in_channels, taps), volume(1, in_channels, taps)), in_channels, taps,
              std::span(by_patch).subspan(volume(o, in_channels, taps), volume(1, in_channels, taps)));
  return pack_transposed(by_patch, out_channels, in_channels * taps);
}

void conv2d(std::span<const float> x, int height, int width, int channels, const Window& window,
            const PackedMatrix& weight, std::span<const float> bias, std::span<float> y, Activation activation) {
  CP_CHECK(x.size() == volume(height, width, channels), "conv2d: x is not H x W x C");
  CP_CHECK(weight.rows == window.kernel * window.kernel * channels, "conv2d: the weight is not k x k x C");
  if (window.kernel == 1 && window.stride == 1) return gemm(x, height * width, weight, bias, y, activation);
  CP_CHECK(y.size() == volume(window.out_height, window.out_width, weight.cols), "conv2d: y is not H' x W' x O");
  std::vector<float> patches(volume(1, window.out_width, weight.rows));
  const std::size_t out_row = volume(1, window.out_width, weight.cols);
  for (int out_y = 0; out_y < window.out_height; ++out_y) {
    im2col_row(x.data(), height, width, channels, window, out_y, patches.data());
    gemm(patches, window.out_width, weight, bias, y.subspan(static_cast<std::size_t>(out_y) * out_row, out_row),
         activation);
  }
}

void depthwise(std::span<const float> x, int height, int width, int channels, const Window& window,
               std::span<const float> weight, std::span<const float> bias, std::span<float> y, Activation activation) {
  CP_CHECK(x.size() == volume(height, width, channels), "depthwise: x is not H x W x C");
  CP_CHECK(weight.size() == volume(window.kernel, window.kernel, channels), "depthwise: the weight is not k x k x C");
  CP_CHECK(bias.size() == static_cast<std::size_t>(channels), "depthwise: the bias is not C long");
  CP_CHECK(y.size() == volume(window.out_height, window.out_width, channels), "depthwise: y is not H' x W' x C");
  const DepthwiseArguments arguments{x.data(),      height,      width,    channels,  window,
                                     weight.data(), bias.data(), y.data(), activation};
  if (simd() == Simd::avx512 && channels % 16 == 0)
    depthwise_avx512(arguments);
  else if (simd() >= Simd::avx2 && channels % 8 == 0)
    depthwise_avx2(arguments);
  else
    depthwise_scalar(arguments);
}

void upsample2x(std::span<const float> x, int height, int width, int channels, std::span<float> y) {
  CP_CHECK(x.size() == volume(height, width, channels) && y.size() == 4 * x.size(), "upsample2x: sizes");
  // The centre of output cell i lies at (i + 0.5) / 2 - 0.5 in input cells: 3/4 of the cell it falls in, 1/4 of the
  // next.
  for (int i = 0; i < 2 * height; ++i) {
    const int y0 = i / 2, y1 = std::clamp(i % 2 ? y0 + 1 : y0 - 1, 0, height - 1);
    for (int j = 0; j < 2 * width; ++j) {
      const int x0 = j / 2, x1 = std::clamp(j % 2 ? x0 + 1 : x0 - 1, 0, width - 1);
      const float* p00 = x.data() + volume(1, y0 * width + x0, channels);
      const float* p01 = x.data() + volume(1, y0 * width + x1, channels);
      const float* p10 = x.data() + volume(1, y1 * width + x0, channels);
      const float* p11 = x.data() + volume(1, y1 * width + x1, channels);
      float* to = y.data() + volume(1, i * 2 * width + j, channels);
      for (int c = 0; c < channels; ++c)
        to[c] = 0.75f * (0.75f * p00[c] + 0.25f * p01[c]) + 0.25f * (0.75f * p10[c] + 0.25f * p11[c]);
    }
  }
}

void adaptive_average(std::span<const float> x, int height, int width, int channels, int out_height, int out_width,
                      std::span<float> y) {
  CP_CHECK(x.size() == volume(height, width, channels), "adaptive_average: x is not H x W x C");
  CP_CHECK(y.size() == volume(out_height, out_width, channels), "adaptive_average: y is not h x w x C");
  std::fill(y.begin(), y.end(), 0.f);
  for (int i = 0; i < out_height; ++i)
    for (int j = 0; j < out_width; ++j) {
      const int top = i * height / out_height, bottom = ((i + 1) * height + out_height - 1) / out_height;
      const int left = j * width / out_width, right = ((j + 1) * width + out_width - 1) / out_width;
      float* to = y.data() + volume(1, i * out_width + j, channels);
      for (int row = top; row < bottom; ++row)
        for (int col = left; col < right; ++col)
          axpy(1.f, x.data() + volume(1, row * width + col, channels), to, channels);
      const float share = 1.f / static_cast<float>((bottom - top) * (right - left));
      for (int c = 0; c < channels; ++c) to[c] *= share;
    }
}

void transpose(std::span<const float> x, int rows, int cols, std::span<float> y) {
  CP_CHECK(x.size() == volume(1, rows, cols) && y.size() == x.size(), "transpose: sizes");
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c)
      y[volume(1, c, rows) + static_cast<std::size_t>(r)] = x[volume(1, r, cols) + static_cast<std::size_t>(c)];
}

}  // namespace cp
