#include "learn/fused_ops.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "kernels/swiglu_bf16.h"

namespace cp {

namespace {

using Context = torch::autograd::AutogradContext;
using Variables = torch::autograd::variable_list;

at::Tensor as_rows(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

class RmsNorm : public torch::autograd::Function<RmsNorm> {
 public:
  static at::Tensor forward(Context* context, const at::Tensor& x, const at::Tensor& weight, double eps,
                            at::ScalarType out) {
    const at::Tensor inverse = at::linalg_vector_norm(x, 2, at::IntArrayRef{-1}, true)
                                   .square_()
                                   .div_(static_cast<double>(x.size(-1)))
                                   .add_(eps)
                                   .rsqrt_();
    context->save_for_backward({x, weight, inverse});
    return at::mul(x, inverse).mul_(weight).to(out);
  }

  // With y = w x i, i = (mean(x^2) + eps)^-1/2: dx = i (g - x i^2 mean(g x)), g = w dy; dw = sum over rows of dy x i.
  static Variables backward(Context* context, Variables gradients) {
    const Variables kept = context->get_saved_variables();
    const at::Tensor &x = kept[0], &weight = kept[1], &inverse = kept[2];
    const at::Tensor dy = gradients[0].to(x.scalar_type());
    at::Tensor dx, dw;
    if (context->needs_input_grad(1)) dw = as_rows(at::mul(x, inverse).mul_(dy)).sum(0);
    if (context->needs_input_grad(0)) {
      at::Tensor g = at::mul(dy, weight);
      const at::Tensor slope = at::mul(g, x).mean(-1, true).mul_(inverse.pow(3));
      dx = g.mul_(inverse).addcmul_(x, slope, -1);
    }
    return {dx, dw, {}, {}};
  }
};

// Bits of values `from` to `from + count` of a bfloat16 tensor.
std::span<std::uint16_t> part(const at::Tensor& t, std::size_t from, std::size_t count) {
  return {reinterpret_cast<std::uint16_t*>(t.data_ptr<at::BFloat16>()) + from, count};
}

// Whether kernels/swiglu_bf16.h takes them as they lie in memory.
bool in_registers(const at::Tensor& a, const at::Tensor& b) {
  return a.is_cpu() && a.scalar_type() == at::kBFloat16 && b.scalar_type() == at::kBFloat16 && a.sizes() == b.sizes() &&
         a.is_contiguous() && b.is_contiguous() && swiglu_bf16_ready();
}

template <class Work>
void by_parts(const at::Tensor& t, const Work& work) {
  constexpr std::int64_t kGrain = 32768;  // values worth another thread
  at::parallel_for(0, t.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    work(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  });
}

class SwiGlu : public torch::autograd::Function<SwiGlu> {
 public:
  static at::Tensor forward(Context* context, const at::Tensor& gate, const at::Tensor& up) {
    context->save_for_backward({gate, up});
    if (!in_registers(gate, up)) return at::silu(gate).mul_(up);
    at::Tensor y = at::empty_like(up);
    by_parts(y, [&](std::size_t from, std::size_t count) {
      swiglu_bf16(part(gate, from, count), part(up, from, count), part(y, from, count));
    });
    return y;
  }

  static Variables backward(Context* context, Variables gradients) {
    const Variables kept = context->get_saved_variables();
    const at::Tensor &gate = kept[0], &up = kept[1], &dy = gradients[0];
    if (in_registers(gate, up) && in_registers(dy, up)) {
      at::Tensor first = at::empty_like(gate), second = at::empty_like(up);
      by_parts(first, [&](std::size_t from, std::size_t count) {
        swiglu_bf16_backward(part(gate, from, count), part(up, from, count), part(dy, from, count),
                             part(first, from, count), part(second, from, count));
      });
      return {first, second};
    }
    at::Tensor dgate = at::mul(dy, up);
    at::silu_backward_out(dgate, dgate, gate);  // value by value, so that it may write over what it reads
    return {dgate, at::silu(gate).mul_(dy)};
  }
};

// cos and sin of angle or, with sign -1, of the negative angle.
at::Tensor turned(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, double sign) {
  const std::int64_t half = x.size(-1) / 2;
  const at::Tensor first = x.slice(-1, 0, half), second = x.slice(-1, half);
  at::Tensor y = at::empty_like(x);
  at::Tensor y_first = y.slice(-1, 0, half), y_second = y.slice(-1, half);
  y_first.copy_(at::mul(first, cos).addcmul_(second, sin, -sign));
  y_second.copy_(at::mul(second, cos).addcmul_(first, sin, sign));
  return y;
}

class Rotate : public torch::autograd::Function<Rotate> {
 public:
  static at::Tensor forward(Context* context, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return turned(x, cos, sin, 1);
  }
  static Variables backward(Context* context, Variables gradients) {
    const Variables kept = context->get_saved_variables();
    return {turned(gradients[0], kept[0], kept[1], -1), {}, {}};
  }
};

// 1 with probability `keep`, to 2^-16: four of the generator's 64 bits each, since drawing is serial.
at::Tensor keep_mask(const at::Tensor& like, double keep) {
  constexpr std::int64_t kPerDraw = 4;
  const std::int64_t n = like.numel();
  at::Tensor bits = at::empty({(n + kPerDraw - 1) / kPerDraw}, like.options().dtype(at::kLong));
  bits.random_(std::numeric_limits<std::int64_t>::min(), std::optional<std::int64_t>());
  return bits.view(at::kShort).slice(0, 0, n).view(like.sizes()).lt(std::lround(keep * 65536) - 32768);
}

class LowRank : public torch::autograd::Function<LowRank> {
 public:
  static at::Tensor forward(Context* context, const at::Tensor& x, const at::Tensor& a, const at::Tensor& b,
                            double scale, double dropout) {
    at::Tensor kept;
    if (dropout > 0) kept = keep_mask(x, 1 - dropout);
    const at::Tensor h = at::linear(dropped(x, kept), a.to(x.scalar_type()));
    context->save_for_backward({x, a, b, kept, h});
    context->saved_data["scale"] = scale / (1 - dropout);
    return at::linear(h, b.to(x.scalar_type())).mul_(scale / (1 - dropout));
  }

  static Variables backward(Context* context, Variables gradients) {
    const Variables saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &a = saved[1], &b = saved[2], &kept = saved[3], &h = saved[4];
    const double scale = context->saved_data["scale"].toDouble();
    const at::Tensor dy = as_rows(gradients[0]), dh = at::matmul(dy, b.to(dy.scalar_type())).mul_(scale);
    at::Tensor dx;
    if (context->needs_input_grad(0)) {
      dx = at::matmul(dh, a.to(dh.scalar_type())).view(x.sizes());
      if (kept.defined()) dx.mul_(kept);
    }
    const at::Tensor da = at::matmul(dh.t(), as_rows(dropped(x, kept))).to(a.scalar_type());
    const at::Tensor db = at::matmul(dy.t(), as_rows(h)).to(b.scalar_type()).mul_(scale);
    return {dx, da, db, {}, {}};
  }

 private:
  // The factor 1 / (1 - dropout) is left to the scale.
  static at::Tensor dropped(const at::Tensor& x, const at::Tensor& kept) {
    return kept.defined() ? at::mul(x, kept) : x;
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps, at::ScalarType out) {
  return RmsNorm::apply(x, weight, eps, out);
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) { return SwiGlu::apply(gate, up); }

at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  return Rotate::apply(x, cos, sin);
}

at::Tensor low_rank(const at::Tensor& x, const at::Tensor& a, const at::Tensor& b, double scale, double dropout) {
  return LowRank::apply(x, a, b, scale, dropout);
}

}  // namespace cp
