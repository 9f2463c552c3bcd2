#pragma once
// In:  pixels (H W C), channels last, float32: then a 1 x 1 convolution is gemm() over the pixels, and a depthwise one
// is
//      vectorised over channels without borders inside a vector.
// Out: convolutions, resampling and pooling, channels last.
// Not here: matrix products (gemm.h), norms and activations (norm.h).

#include <span>
#include <vector>

#include "kernels/gemm.h"

namespace cp {

// How far a k x k window reaches over the border, and how large the output is.
struct Window {
  int kernel = 3, stride = 1;
  int before = 1;  // zeros above and left
  int out_height = 0, out_width = 0;
};
// TensorFlow's SAME: out = ceil(in / stride), total = max((out - 1) stride + kernel - in, 0), total / 2 of it before.
Window same_window(int height, int width, int kernel, int stride);

// torch (O I k k) -> packed (k k I, O), the order in which im2col() lays out a patch.
PackedMatrix pack_conv(std::span<const float> weight, int out_channels, int in_channels, int kernel);

// y (H' W' O) = activation(conv(x (H W C)) + bias). 1 x 1 kernels of stride 1 read x directly, others go through
// im2col.
void conv2d(std::span<const float> x, int height, int width, int channels, const Window& window,
            const PackedMatrix& weight, std::span<const float> bias, std::span<float> y,
            Activation activation = Activation::none);

// y (H' W' C): every channel with its own k x k kernel; weight (k k C), bias (C).
void depthwise(std::span<const float> x, int height, int width, int channels, const Window& window,
               std::span<const float> weight, std::span<const float> bias, std::span<float> y, Activation activation);

// y (2H 2W C): bilinear, half-pixel centres (torch interpolate, align_corners=False).
void upsample2x(std::span<const float> x, int height, int width, int channels, std::span<float> y);

// y (h w C): cell i averages rows floor(i H / h) .. ceil((i + 1) H / h) - 1, columns alike (torch adaptive_avg_pool2d).
void adaptive_average(std::span<const float> x, int height, int width, int channels, int out_height, int out_width,
                      std::span<float> y);

// (C P) <-> (P C).
void transpose(std::span<const float> x, int rows, int cols, std::span<float> y);

}  // namespace cp
