#include "formats/parameter.h"

#include <cmath>

#include "core/rng.h"

namespace cp {

namespace {

// FNV-1a, so that a tensor's start depends on its name alone.
std::uint64_t name_hash(const std::string& name) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

}  // namespace

std::int64_t Parameter::size() const {
  std::int64_t n = 1;
  for (const std::int64_t extent : shape) n *= extent;
  return n;
}

std::vector<float> initial_values(const Parameter& p, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(p.size()), static_cast<float>(p.scale));
  if (p.start == Parameter::Start::constant) return values;
  Rng rng(seed, Stream::init, 0, name_hash(p.name));
  for (float& v : values)
    v = static_cast<float>(p.start == Parameter::Start::normal ? p.scale * rng.normal()
                                                               : rng.uniform(-p.scale, p.scale));
  return values;
}

void Parameters::normal(std::string name, std::vector<std::int64_t> shape, double sd) {
  all_.push_back({std::move(name), std::move(shape), Parameter::Start::normal, sd});
}

void Parameters::uniform(std::string name, std::vector<std::int64_t> shape, double bound) {
  all_.push_back({std::move(name), std::move(shape), Parameter::Start::uniform, bound});
}

void Parameters::constant(std::string name, std::vector<std::int64_t> shape, double value) {
  all_.push_back({std::move(name), std::move(shape), Parameter::Start::constant, value});
}

void Parameters::linear(const std::string& prefix, std::int64_t in, std::int64_t out, bool bias) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in));
  uniform(prefix + ".weight", {out, in}, bound);
  if (bias) uniform(prefix + ".bias", {out}, bound);
}

void Parameters::conv(const std::string& prefix, std::int64_t in, std::int64_t out, std::int64_t kernel) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in * kernel * kernel));
  uniform(prefix + ".weight", {out, in, kernel, kernel}, bound);
  uniform(prefix + ".bias", {out}, bound);
}

void Parameters::norm(const std::string& prefix, std::int64_t width) {
  constant(prefix + ".weight", {width}, 1.0);
  constant(prefix + ".bias", {width}, 0.0);
}

TensorExpectation Parameters::expectation() const {
  TensorExpectation wanted;
  for (const Parameter& p : all_) wanted.want(p.name, p.shape);
  return wanted;
}

std::vector<TensorToWrite> Parameters::initial(std::uint64_t seed, DType dtype) const {
  std::vector<TensorToWrite> tensors;
  for (const Parameter& p : all_) tensors.push_back({p.name, p.shape, initial_values(p, seed), dtype});
  return tensors;
}

}  // namespace cp
