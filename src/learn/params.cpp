#include "learn/params.h"

#include <cmath>

#include <fmt/format.h>

#include "core/error.h"
#include "core/rng.h"

namespace cp {
namespace {

// FNV-1a, so that a tensor's start depends on its name alone.
std::uint64_t name_hash(const std::string& name) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

template <class Draw>
at::Tensor filled(at::IntArrayRef shape, Draw draw) {
  at::Tensor t = at::empty(shape, at::kFloat);
  float* data = t.data_ptr<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) data[i] = static_cast<float>(draw());
  return t;
}

}  // namespace

void ParamSet::add(const std::string& name, at::Tensor value) {
  CP_CHECK(!has(name), name);
  index_[name] = values_.size();
  names_.push_back(name);
  values_.push_back(value.set_requires_grad(true));
}

void ParamSet::add_normal(const std::string& name, at::IntArrayRef shape, double sd) {
  Rng rng(seed_, Stream::init, 0, name_hash(name));
  add(name, filled(shape, [&] { return sd * rng.normal(); }));
}

void ParamSet::add_uniform(const std::string& name, at::IntArrayRef shape, double bound) {
  Rng rng(seed_, Stream::init, 0, name_hash(name));
  add(name, filled(shape, [&] { return rng.uniform(-bound, bound); }));
}

void ParamSet::add_constant(const std::string& name, at::IntArrayRef shape, double value) {
  add(name, at::full(shape, value, at::kFloat));
}

void ParamSet::add_linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  add_uniform(prefix + ".weight", {out, in}, bound);
  if (bias) add_uniform(prefix + ".bias", {out}, bound);
}

void ParamSet::add_conv(const std::string& prefix, std::int64_t in, std::int64_t out, std::int64_t kernel) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in * kernel * kernel));
  add_uniform(prefix + ".weight", {out, in, kernel, kernel}, bound);
  add_uniform(prefix + ".bias", {out}, bound);
}

void ParamSet::add_norm(const std::string& prefix, std::int64_t width) {
  add_constant(prefix + ".weight", {width}, 1.0);
  add_constant(prefix + ".bias", {width}, 0.0);
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

at::Tensor ParamSet::layer_norm(const at::Tensor& x, const std::string& prefix) const {
  return at::layer_norm(x, {x.size(-1)}, (*this)[prefix + ".weight"], (*this)[prefix + ".bias"], 1e-5);
}

at::Tensor ParamSet::rms_norm(const at::Tensor& x, const std::string& name, double eps) const {
  return x * at::rsqrt(x.pow(2).mean(-1, true) + eps) * (*this)[name];
}

void ParamSet::set_trainable(bool trainable) {
  for (at::Tensor& value : values_) value = value.detach().set_requires_grad(trainable);
}

void ParamSet::to(at::ScalarType dtype) {
  for (at::Tensor& value : values_) value = value.detach().to(dtype).set_requires_grad(value.requires_grad());
}

void ParamSet::copy_from(const ParamSet& other) {
  CP_CHECK(names_ == other.names_, "different parameter sets");
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < values_.size(); ++i) values_[i].copy_(other.values_[i]);
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

std::vector<float> to_floats(const at::Tensor& tensor) {
  const at::Tensor t = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  return std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
}

}  // namespace cp
