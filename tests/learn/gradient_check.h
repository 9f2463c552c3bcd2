#pragma once
// In:  a network's weights in float64 and a loss.
// Out: gradients compared with finite differences.
// Not here: the tests.

#include <cmath>
#include <functional>

#include "core/rng.h"
#include "learn/params.h"
#include "support/test_support.h"

namespace cp::test {

// Central differences with step 1e-5 have an error of about 1e-10 x the third derivative, and rounding of about 1e-11 /
// 1e-5.
inline constexpr double kStep = 1e-5, kRelative = 1e-5, kAbsolute = 1e-7;

inline at::Tensor random_doubles(at::IntArrayRef shape, std::uint64_t n) {
  Rng rng(5, Stream::test, 0, n);
  at::Tensor t = at::empty(shape, at::kDouble);
  for (std::int64_t i = 0; i < t.numel(); ++i) t.data_ptr<double>()[i] = rng.normal();
  return t;
}

// A loss that touches every output with weights of its own.
inline at::Tensor weighted(const at::Tensor& x, std::uint64_t n) { return (x * random_doubles(x.sizes(), n)).sum(); }

// Checks `per_tensor` weights of every tensor of `set`. Returns how many were checked; failures are reported. `planted`
// scales the gradients, as a fault would.
inline int check_gradients(ParamSet& set, const std::function<at::Tensor()>& loss, int per_tensor,
                           double planted = 1.0) {
  for (const std::string& name : set.names()) set[name].mutable_grad().reset();
  loss().backward();
  int checked = 0;
  Rng rng(6, Stream::test);
  for (const std::string& name : set.names()) {
    at::Tensor& value = set[name];
    const at::Tensor grad = value.grad().defined() ? value.grad() * planted : at::zeros_like(value.detach());
    for (int k = 0; k < per_tensor; ++k, ++checked) {
      const auto i = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(value.numel())));
      double* cell = value.data_ptr<double>() + i;
      const double kept = *cell;
      at::NoGradGuard no_grad;
      *cell = kept + kStep;
      const double up = loss().item<double>();
      *cell = kept - kStep;
      const double down = loss().item<double>();
      *cell = kept;
      const double numeric = (up - down) / (2 * kStep), analytic = grad.reshape({-1})[i].item<double>();
      EXPECT_NEAR(analytic, numeric, kAbsolute + kRelative * std::abs(numeric)) << name << "[" << i << "]";
    }
  }
  return checked;
}

}  // namespace cp::test
