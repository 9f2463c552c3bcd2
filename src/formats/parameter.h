#pragma once
// In:  names and shapes of the weights of a network.
// Out: what a file of them must hold, and the values that they start from: f(seed, name), the same in both engines, on
//      every platform, and whatever else the file holds.
// Not here: the networks (runtime/, learn/).

#include <cstdint>
#include <string>
#include <vector>

#include "formats/safetensors.h"

namespace cp {

// One weight that training moves.
struct Parameter {
  enum class Start { normal, uniform, constant };

  std::string name;
  std::vector<std::int64_t> shape;
  Start start = Start::constant;
  double scale = 0;  // standard deviation, bound (+-), or the value itself

  std::int64_t size() const;
};

// A network's weights in the order in which its file lists them.
class Parameters {
 public:
  void normal(std::string name, std::vector<std::int64_t> shape, double sd);
  void uniform(std::string name, std::vector<std::int64_t> shape, double bound);
  void constant(std::string name, std::vector<std::int64_t> shape, double value);
  // weight (out in) and bias (out), uniform in +-1/sqrt(in), as torch.nn.Linear starts.
  void linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias = true);
  // weight (out in k k) and bias (out), uniform in +-1/sqrt(in k k), as torch.nn.Conv2d starts.
  void conv(const std::string& prefix, std::int64_t in, std::int64_t out, std::int64_t kernel);
  void norm(const std::string& prefix, std::int64_t width);  // weight 1, bias 0

  const std::vector<Parameter>& all() const { return all_; }
  TensorExpectation expectation() const;
  // Every weight at its start, ready for write_safetensors().
  std::vector<TensorToWrite> initial(std::uint64_t seed, DType dtype = DType::f32) const;

 private:
  std::vector<Parameter> all_;
};

std::vector<float> initial_values(const Parameter& parameter, std::uint64_t seed);

}  // namespace cp
