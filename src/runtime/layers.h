#pragma once
// In:  opened safetensors files and the names of weights in them.
// Out: weights as float32, packed for the kernels; linear layers and convolutions that carry their bias.
// Not here: kernels (kernels/), what is missing from a file in one list (formats/safetensors.h, TensorExpectation).

#include <span>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "kernels/conv.h"

namespace cp {

// The same as file.floats(), with F16C for float16 where the processor has it: a model is loaded in milliseconds.
std::vector<float> load_floats(const SafeTensors& file, const std::string& name,
                               const std::vector<std::int64_t>& shape);

// y = x W^T + b. Also a 1 x 1 convolution over pixels that are stored channels last.
struct Linear {
  PackedMatrix weight;
  std::vector<float> bias;  // empty: none

  // x (M in) -> (M out).
  std::vector<float> operator()(std::span<const float> x) const;
};

// PREFIX.weight (out in) and, when `bias`, PREFIX.bias (out).
Linear load_linear(const SafeTensors& file, const std::string& prefix, int out, int in, bool bias = true);
// PREFIX.weight (out in k k), PREFIX.bias (out).
Linear load_conv(const SafeTensors& file, const std::string& prefix, int out, int in, int kernel);

// Weight and bias of a norm.
struct Norm {
  std::vector<float> weight, bias;
};
Norm load_norm(const SafeTensors& file, const std::string& prefix, int width);

// The largest value and the mean of every column of x (R W).
struct Pooled {
  std::vector<float> largest, mean;
};
Pooled pool_rows(std::span<const float> x, std::size_t width);

}  // namespace cp
