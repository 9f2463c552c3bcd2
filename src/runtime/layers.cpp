#include "runtime/layers.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/half.h"

namespace cp {

std::vector<float> load_floats(const SafeTensors& file, const std::string& name,
                               const std::vector<std::int64_t>& shape) {
  const TensorView& view = file.get(name, shape);
  if (view.dtype != DType::f16) return file.floats(name, shape);
  std::vector<float> out(static_cast<std::size_t>(view.size()));
  widen_half(view.bytes.data(), out.size(), out.data());
  return out;
}

std::vector<float> Linear::operator()(std::span<const float> x) const {
  const std::size_t in = static_cast<std::size_t>(weight.rows);
  CP_CHECK(in > 0 && x.size() % in == 0, "Linear: x is not made of rows as wide as the weight");
  const std::size_t rows = x.size() / in;
  std::vector<float> y(rows * static_cast<std::size_t>(weight.cols));
  gemm(x, static_cast<int>(rows), weight, bias, y);
  return y;
}

Linear load_linear(const SafeTensors& file, const std::string& prefix, int out, int in, bool bias) {
  Linear layer{pack_transposed(load_floats(file, prefix + ".weight", {out, in}), out, in), {}};
  if (bias) layer.bias = load_floats(file, prefix + ".bias", {out});
  return layer;
}

Linear load_conv(const SafeTensors& file, const std::string& prefix, int out, int in, int kernel) {
  return {pack_conv(load_floats(file, prefix + ".weight", {out, in, kernel, kernel}), out, in, kernel),
          load_floats(file, prefix + ".bias", {out})};
}

Norm load_norm(const SafeTensors& file, const std::string& prefix, int width) {
  return {load_floats(file, prefix + ".weight", {width}), load_floats(file, prefix + ".bias", {width})};
}

Pooled pool_rows(std::span<const float> x, std::size_t width) {
  Pooled out{std::vector<float>(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(width)), std::vector<float>(width)};
  const std::size_t rows = x.size() / width;
  for (std::size_t c = 0; c < width; ++c) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      sum += x[r * width + c];
      out.largest[c] = std::max(out.largest[c], x[r * width + c]);
    }
    out.mean[c] = static_cast<float>(sum / static_cast<double>(rows));
  }
  return out;
}

}  // namespace cp
