#include "learn/params.h"

#include "core/error.h"
#include "learn/fused_ops.h"

namespace cp {

void ParamSet::add(const Parameters& parameters) {
  for (const Parameter& p : parameters.all()) {
    CP_CHECK(!has(p.name), p.name);
    index_[p.name] = values_.size();
    names_.push_back(p.name);
    std::vector<float> values = initial_values(p, seed_);
    values_.push_back(at::from_blob(values.data(), p.shape, at::kFloat).clone().set_requires_grad(true));
  }
}

void ParamSet::add_normal(const std::string& name, at::IntArrayRef shape, double sd) {
  Parameters p;
  p.normal(name, shape.vec(), sd);
  add(p);
}

void ParamSet::add_constant(const std::string& name, at::IntArrayRef shape, double value) {
  Parameters p;
  p.constant(name, shape.vec(), value);
  add(p);
}

void ParamSet::add_linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias) {
  Parameters p;
  p.linear(prefix, in, out, bias);
  add(p);
}

void ParamSet::add_conv(const std::string& prefix, std::int64_t in, std::int64_t out, std::int64_t kernel) {
  Parameters p;
  p.conv(prefix, in, out, kernel);
  add(p);
}

void ParamSet::add_norm(const std::string& prefix, std::int64_t width) {
  Parameters p;
  p.norm(prefix, width);
  add(p);
}

at::Tensor& ParamSet::operator[](const std::string& name) {
  const auto found = index_.find(name);
  CP_CHECK(found != index_.end(), name);
  return values_[found->second];
}

const at::Tensor& ParamSet::operator[](const std::string& name) const {
  const auto found = index_.find(name);
  CP_CHECK(found != index_.end(), name);
  return values_[found->second];
}

std::int64_t ParamSet::count() const {
  std::int64_t n = 0;
  for (const at::Tensor& value : values_) n += value.numel();
  return n;
}

at::Tensor ParamSet::linear(const at::Tensor& x, const std::string& prefix) const {
  const std::string bias = prefix + ".bias";
  return has(bias) ? at::linear(x, (*this)[prefix + ".weight"], (*this)[bias])
                   : at::linear(x, (*this)[prefix + ".weight"]);
}

at::Tensor ParamSet::conv(const at::Tensor& x, const std::string& prefix, std::int64_t padding) const {
  return at::conv2d(x, (*this)[prefix + ".weight"], (*this)[prefix + ".bias"], {1, 1}, {padding, padding});
}

at::Tensor ParamSet::group_norm(const at::Tensor& x, const std::string& prefix) const {
  return at::group_norm(x, 1, (*this)[prefix + ".weight"], (*this)[prefix + ".bias"], 1e-5);
}

at::Tensor ParamSet::layer_norm(const at::Tensor& x, const std::string& prefix, double eps) const {
  return at::layer_norm(x, {x.size(-1)}, (*this)[prefix + ".weight"], (*this)[prefix + ".bias"], eps);
}

at::Tensor ParamSet::rms_norm(const at::Tensor& x, const std::string& name, double eps) const {
  return cp::rms_norm(x, (*this)[name], eps, x.scalar_type());
}

void ParamSet::set_trainable(bool trainable) {
  for (at::Tensor& value : values_) value = value.detach().set_requires_grad(trainable);
}

void ParamSet::to(at::Device device) {
  for (at::Tensor& value : values_) value = value.detach().to(device).set_requires_grad(value.requires_grad());
}

void ParamSet::to(at::ScalarType dtype) {
  for (at::Tensor& value : values_) value = value.detach().to(dtype).set_requires_grad(value.requires_grad());
}

void ParamSet::copy_from(const ParamSet& other) {
  CP_CHECK(names_ == other.names_, "different parameter sets");
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < values_.size(); ++i) values_[i].copy_(other.values_[i]);
}

void ParamSet::follow(const ParamSet& other, double decay) {
  CP_CHECK(names_ == other.names_, "different parameter sets");
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < values_.size(); ++i) values_[i].lerp_(other.values_[i], 1 - decay);
}

void ParamSet::expect(TensorExpectation& expectation, const std::string& prefix) const {
  for (std::size_t i = 0; i < names_.size(); ++i) expectation.want(prefix + names_[i], values_[i].sizes().vec());
}

void ParamSet::load(const SafeTensors& file, const std::string& prefix) {
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    std::vector<float> values = file.floats(prefix + names_[i], values_[i].sizes().vec());
    values_[i].copy_(at::from_blob(values.data(), values_[i].sizes(), at::kFloat));
  }
}

void ParamSet::append_to(std::vector<TensorToWrite>& out, DType dtype, const std::string& prefix) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    out.push_back({prefix + names_[i], values_[i].sizes().vec(), to_floats(values_[i]), dtype});
}

void load_checked(const SafeTensors& file, const std::vector<std::pair<ParamSet*, std::string>>& sets) {
  TensorExpectation expectation;
  for (const auto& [set, prefix] : sets) set->expect(expectation, prefix);
  expectation.check(file);
  for (const auto& [set, prefix] : sets) set->load(file, prefix);
}

std::vector<float> to_floats(const at::Tensor& tensor) {
  const at::Tensor t = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  return std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
}

}  // namespace cp
