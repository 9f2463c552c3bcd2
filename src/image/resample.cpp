#include "image/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace cp {
namespace {

// The formulas, the order of the operations and the rounding are those of Pillow's Resample.c (ImagingResample, 8 bits
// a channel), so that results agree to the bit.
constexpr int kPrecisionBits = 32 - 8 - 2;

double box_filter(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear_filter(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming_filter(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (0.54 + 0.46 * std::cos(x));
}

double bicubic_filter(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos_filter(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*function)(double);
  double support;  // the function is 0 beyond it, source pixels at scale 1
};

Kernel kernel_of(Filter filter) {
  switch (filter) {
    case Filter::box:
      return {box_filter, 0.5};
    case Filter::bilinear:
      return {bilinear_filter, 1.0};
    case Filter::hamming:
      return {hamming_filter, 1.0};
    case Filter::bicubic:
      return {bicubic_filter, 2.0};
    case Filter::lanczos:
      return {lanczos_filter, 3.0};
    case Filter::nearest:
      break;
  }
  CP_CHECK(false, "no kernel for this filter");
}

// For each pixel of the result: the run of source pixels it is made from and their weights in fixed point.
struct Weights {
  struct Run {
    int first, count;
  };
  std::vector<Run> runs;
  std::vector<std::int32_t> values;  // `stride` a run
  std::size_t stride = 0;
};

Weights weights_for(int in_size, int out_size, const Kernel& kernel) {
  const double scale = static_cast<double>(in_size) / out_size;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kernel.support * filter_scale;
  const double step = 1.0 / filter_scale;
  Weights weights;
  weights.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  weights.runs.resize(static_cast<std::size_t>(out_size));
  weights.values.resize(weights.runs.size() * weights.stride);
  std::vector<double> k(weights.stride);
  for (int i = 0; i < out_size; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int last = std::min(in_size, static_cast<int>(center + support + 0.5));
    double sum = 0.0;
    for (int x = 0; x < last - first; ++x) {
      const double w = kernel.function((x + first - center + 0.5) * step);
      k[static_cast<std::size_t>(x)] = w;
      sum += w;
    }
    const auto at = static_cast<std::size_t>(i);
    weights.runs[at] = {first, last - first};
    for (int x = 0; x < last - first; ++x) {
      double w = k[static_cast<std::size_t>(x)];
      if (sum != 0.0) w /= sum;
      weights.values[at * weights.stride + static_cast<std::size_t>(x)] =
          static_cast<std::int32_t>((w < 0 ? -0.5 : 0.5) + w * (1 << kPrecisionBits));
    }
  }
  return weights;
}

// One pass along one axis. `step`: distance in samples between neighbours along the axis.
std::uint8_t weighted_sum(const std::uint8_t* from, std::size_t step, const std::int32_t* w, int count) {
  std::int32_t sum = 1 << (kPrecisionBits - 1);
  for (int i = 0; i < count; ++i) sum += from[static_cast<std::size_t>(i) * step] * w[i];
  return static_cast<std::uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

Image resample_rows(const Image& image, int width, const Kernel& kernel) {
  const Weights weights = weights_for(image.width, width, kernel);
  const auto channels = static_cast<std::size_t>(image.channels);
  Image out(width, image.height, image.channels);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto i = static_cast<std::size_t>(x);
      const std::uint8_t* from = image.at(weights.runs[i].first, y);
      for (std::size_t c = 0; c < channels; ++c)
        out.at(x, y)[c] = weighted_sum(from + c, channels, &weights.values[i * weights.stride], weights.runs[i].count);
    }
  }
  return out;
}

Image resample_columns(const Image& image, int height, const Kernel& kernel) {
  const Weights weights = weights_for(image.height, height, kernel);
  const std::size_t row = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  Image out(image.width, height, image.channels);
  for (int y = 0; y < height; ++y) {
    const auto i = static_cast<std::size_t>(y);
    const std::uint8_t* from = image.at(0, weights.runs[i].first);
    std::uint8_t* to = out.at(0, y);
    for (std::size_t x = 0; x < row; ++x)
      to[x] = weighted_sum(from + x, row, &weights.values[i * weights.stride], weights.runs[i].count);
  }
  return out;
}

// Source index of each result index. Pillow adds the step up (Geometry.c, ImagingScaleAffine); so do we.
std::vector<int> nearest_indices(int in_size, int out_size) {
  const double step = static_cast<double>(in_size) / out_size;
  std::vector<int> indices(static_cast<std::size_t>(out_size));
  double at = step * 0.5;
  for (int& index : indices) {
    index = std::min(static_cast<int>(at), in_size - 1);
    at += step;
  }
  return indices;
}

Image resize_nearest(const Image& image, int width, int height) {
  const std::vector<int> columns = nearest_indices(image.width, width), rows = nearest_indices(image.height, height);
  Image out(width, height, image.channels);
  std::uint8_t* to = out.pixels.data();
  for (const int y : rows)
    for (const int x : columns) to = std::copy_n(image.at(x, y), image.channels, to);
  return out;
}

}  // namespace

Image resize(const Image& image, int width, int height, Filter filter) {
  CP_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0, "resize: empty image");
  if (width == image.width && height == image.height) return image;
  if (filter == Filter::nearest) return resize_nearest(image, width, height);
  const Kernel kernel = kernel_of(filter);
  if (width == image.width) return resample_columns(image, height, kernel);
  if (height == image.height) return resample_rows(image, width, kernel);
  // The order matters because the values between the passes are rounded to 8 bits.
  const bool columns_first = height < image.height && image.height - height > 2 * (image.width - width);
  if (columns_first) return resample_rows(resample_columns(image, height, kernel), width, kernel);
  return resample_columns(resample_rows(image, width, kernel), height, kernel);
}

}  // namespace cp
