#pragma once
// In:  names, shapes and initial distributions of weights.
// Out: a named set of tensors with the usual layers applied by name, so that a weight's name in the code is its name in
//      the file (docs/nano.md).
// Not here: networks (fusion_net.h, language_net.h, head_net.h), optimisation (adamw.h).

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "formats/parameter.h"
#include "learn/torch.h"

namespace cp {

class ParamSet {
 public:
  // Initial values are f(seed, name) (formats/parameter.h).
  explicit ParamSet(std::uint64_t seed = 0) : seed_(seed) {}

  void add(const Parameters& parameters);
  // One layer at a time; what each is, formats/parameter.h says.
  void add_normal(const std::string& name, at::IntArrayRef shape, double sd);
  void add_constant(const std::string& name, at::IntArrayRef shape, double value);
  void add_linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias = true);
  void add_conv(const std::string& prefix, std::int64_t in, std::int64_t out, std::int64_t kernel);
  void add_norm(const std::string& prefix, std::int64_t width);

  bool has(const std::string& name) const { return index_.count(name) != 0; }
  at::Tensor& operator[](const std::string& name);
  const at::Tensor& operator[](const std::string& name) const;
  const std::vector<std::string>& names() const { return names_; }  // in the order in which they were added
  std::int64_t count() const;                                       // number of weights

  // Layers by prefix; the bias is used when there is one.
  at::Tensor linear(const at::Tensor& x, const std::string& prefix) const;                      // (... in) -> (... out)
  at::Tensor conv(const at::Tensor& x, const std::string& prefix, std::int64_t padding) const;  // (B C H W)
  at::Tensor group_norm(const at::Tensor& x, const std::string& prefix) const;                  // one group, eps 1e-5
  at::Tensor layer_norm(const at::Tensor& x, const std::string& prefix, double eps = 1e-5) const;  // last axis
  at::Tensor rms_norm(const at::Tensor& x, const std::string& name, double eps) const;             // last axis

  void set_trainable(bool trainable);
  void to(at::Device device);
  void to(at::ScalarType dtype);          // for gradient checks in float64
  void copy_from(const ParamSet& other);  // same names and shapes
  // Moving average: values become decay * values + (1 - decay) * other's.
  void follow(const ParamSet& other, double decay);
  // Adds this set's names (with a prefix) to what a file is expected to hold; check the expectation, then load.
  void expect(TensorExpectation& expectation, const std::string& prefix = "") const;
  void load(const SafeTensors& file, const std::string& prefix = "");
  void append_to(std::vector<TensorToWrite>& out, DType dtype, const std::string& prefix = "") const;

 private:
  std::uint64_t seed_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> values_;
  std::map<std::string, std::size_t> index_;
};

// Fills the sets from a file that must hold them, and nothing else. Each has a prefix for its names there. Throws
// UserError(model) that lists all that does not fit.
void load_checked(const SafeTensors& file, const std::vector<std::pair<ParamSet*, std::string>>& sets);

// float32 values of a tensor, row-major, on the CPU.
std::vector<float> to_floats(const at::Tensor& tensor);

}  // namespace cp
