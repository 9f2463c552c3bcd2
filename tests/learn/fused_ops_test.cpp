// The fused operations against the same formulas in plain ATen operations, and their gradients against differences.
#include "learn/fused_ops.h"

#include <gtest/gtest-spi.h>

#include "gradient_check.h"

namespace cp {
namespace {

using test::check_gradients;
using test::close;
using test::Tol;
using test::weighted;

const Tol kDouble = Tol::rel(1e-6, "float64 in another order, compared as float32");
const Tol kHalf = Tol::rel(3e-2, "bfloat16 has 8 bits; a few roundings");

// Tensors named a, b, c ... in float64 that want gradients.
ParamSet doubles(const std::vector<std::vector<std::int64_t>>& shapes) {
  ParamSet set;
  for (std::size_t i = 0; i < shapes.size(); ++i)
    set.add_constant(std::string(1, static_cast<char>('a' + i)), shapes[i], 0);
  set.to(at::kDouble);
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < shapes.size(); ++i) set[set.names()[i]].copy_(test::random_doubles(shapes[i], 40 + i));
  return set;
}

at::Tensor plain_norm(const at::Tensor& x, const at::Tensor& w) {
  return x * at::rsqrt(x.pow(2).mean(-1, true) + 0.1) * w;
}

at::Tensor plain_rotation(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor swapped = at::cat({-x.slice(-1, half), x.slice(-1, 0, half)}, -1);
  return x * at::cat({cos, cos}, -1) + swapped * at::cat({sin, sin}, -1);
}

struct Angles {
  at::Tensor cos, sin;
};
Angles angles() {
  const at::Tensor all = test::random_doubles({5, 3}, 9);
  return {all.cos(), all.sin()};
}

TEST(FusedOps, EqualThePlainFormulas) {
  const ParamSet p = doubles({{2, 5, 8}, {8}, {2, 5, 8}, {2, 4, 5, 6}, {3, 8}, {7, 3}});
  const Angles turn = angles();
  EXPECT_TRUE(close("norm", to_floats(rms_norm(p["a"], p["b"], 0.1, at::kDouble)),
                    to_floats(plain_norm(p["a"], p["b"])), kDouble));
  EXPECT_FALSE(close("the twin: another epsilon", to_floats(rms_norm(p["a"], p["b"], 0.2, at::kDouble)),
                     to_floats(plain_norm(p["a"], p["b"])), Tol::rel(1e-3, "far")));
  EXPECT_TRUE(
      close("swiglu", to_floats(swiglu(p["a"], p["c"])), to_floats(p["a"] * at::sigmoid(p["a"]) * p["c"]), kDouble));
  EXPECT_FALSE(close("the twin: exchanged", to_floats(swiglu(p["c"], p["a"])),
                     to_floats(p["a"] * at::sigmoid(p["a"]) * p["c"]), Tol::rel(1e-3, "far")));
  EXPECT_TRUE(close("rotation", to_floats(rotate(p["d"], turn.cos, turn.sin)),
                    to_floats(plain_rotation(p["d"], turn.cos, turn.sin)), kDouble));
  EXPECT_FALSE(close("the twin: the other way", to_floats(rotate(p["d"], turn.cos, -turn.sin)),
                     to_floats(plain_rotation(p["d"], turn.cos, turn.sin)), Tol::rel(1e-3, "far")));
  EXPECT_TRUE(close("low rank", to_floats(low_rank(p["a"], p["e"], p["f"], 0.7, 0)),
                    to_floats(0.7 * at::matmul(p["a"], at::matmul(p["f"], p["e"]).t())), kDouble));
}

TEST(FusedOps, GradientsEqualFiniteDifferences) {
  const Angles turn = angles();
  ParamSet norm = doubles({{2, 5, 8}, {8}});
  EXPECT_EQ(check_gradients(
                norm, [&] { return weighted(rms_norm(norm["a"], norm["b"], 0.1, at::kDouble), 1); }, 20),
            40);
  ParamSet glu = doubles({{2, 5, 8}, {2, 5, 8}});
  EXPECT_EQ(check_gradients(
                glu, [&] { return weighted(swiglu(glu["a"], glu["b"]), 2); }, 20),
            40);
  ParamSet rope = doubles({{2, 5, 4, 6}});
  EXPECT_EQ(check_gradients(
                rope, [&] { return weighted(rotate(rope["a"].transpose(1, 2), turn.cos, turn.sin).tanh(), 3); }, 40),
            40);
  ParamSet lora = doubles({{2, 5, 8}, {3, 8}, {7, 3}});
  for (const double dropout : {0.0, 0.4}) {
    const auto loss = [&] {
      at::manual_seed(3);  // the same values are dropped each time
      return weighted(low_rank(lora["a"], lora["b"], lora["c"], 0.7, dropout), 4);
    };
    EXPECT_EQ(check_gradients(lora, loss, 20), 60) << dropout;
  }
}

TEST(FusedOps, APlantedFaultIsSeen) {
  ParamSet glu = doubles({{2, 5, 8}, {2, 5, 8}});
  ::testing::TestPartResultArray failures;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    check_gradients(
        glu, [&] { return weighted(swiglu(glu["a"], glu["b"]), 2); }, 20, 1.001);
  }
  EXPECT_GT(failures.size(), 0);
}

TEST(FusedOps, DropoutDropsThatShareAndKeepsTheMean) {
  at::manual_seed(4);
  const at::Tensor one = at::ones({1, 20000}), pass = at::eye(1);
  // A sums what is left: 1 / (1 - p) each, so that the mean stays.
  const double mean = low_rank(one, at::ones({1, 20000}), pass, 1.0 / 20000, 0.3).item<double>();
  EXPECT_NEAR(mean, 1, 5 * std::sqrt(0.3 / 0.7 / 20000));
  EXPECT_NE(mean, 1);
}

TEST(FusedOps, BfloatStaysCloseAndGradientsComeInTheDtypeOfTheirTensors) {
  const ParamSet p = doubles({{2, 5, 8}, {8}, {2, 5, 8}, {2, 4, 5, 6}, {3, 8}, {7, 3}});
  const Angles turn = angles();
  const auto wide = [&](const char* name) { return p[name].detach().to(at::kFloat).requires_grad_(true); };
  const auto narrow = [&](const char* name) { return p[name].detach().to(at::kBFloat16).requires_grad_(true); };
  const at::Tensor x = wide("a"), w = wide("b"), gate = narrow("a"), up = narrow("c"), q = narrow("d"), a = wide("e"),
                   b = wide("f");
  const at::Tensor n = rms_norm(x, w, 0.1, at::kBFloat16), inner = swiglu(gate, up),
                   turned = rotate(q, turn.cos.to(at::kFloat), turn.sin.to(at::kFloat)),
                   delta = low_rank(gate, a, b, 0.7, 0);
  for (const at::Tensor& t : {n, inner, turned, delta}) EXPECT_EQ(t.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(close("norm", to_floats(n), to_floats(plain_norm(p["a"], p["b"])), kHalf));
  EXPECT_TRUE(close("swiglu", to_floats(inner), to_floats(swiglu(p["a"], p["c"])), kHalf));
  EXPECT_TRUE(close("rotation", to_floats(turned), to_floats(rotate(p["d"], turn.cos, turn.sin)), kHalf));
  EXPECT_TRUE(close("low rank", to_floats(delta), to_floats(low_rank(p["a"], p["e"], p["f"], 0.7, 0)), kHalf));
  (n.to(at::kFloat).sum() + inner.to(at::kFloat).sum() + turned.to(at::kFloat).sum() + delta.to(at::kFloat).sum())
      .backward();
  for (const at::Tensor& t : {x, w, gate, up, q, a, b}) EXPECT_EQ(t.grad().scalar_type(), t.scalar_type());
}

}  // namespace
}  // namespace cp
