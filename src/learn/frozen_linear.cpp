#include "learn/frozen_linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include "core/error.h"
#include "learn/frozen_weight.h"

namespace cp {

// Lets autograd keep a layer alive.
struct HeldLayer : torch::CustomClassHolder {
  std::shared_ptr<const FrozenWeight> weight;
};

// y = x W^T. What is kept for the way back is the layer as it is stored, not its unpacked weight.
class FrozenProduct : public torch::autograd::Function<FrozenProduct> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::shared_ptr<const FrozenWeight>& weight) {
    auto held = c10::make_intrusive<HeldLayer>();
    held->weight = weight;
    context->saved_data["layer"] = at::IValue::make_capsule(held);
    return product(x, *weight);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto held = c10::static_intrusive_pointer_cast<HeldLayer>(context->saved_data["layer"].toCapsule());
    const FrozenWeight& weight = *held->weight;
    const at::Tensor dy = gradients[0].contiguous();
    if (at::Tensor dx = weight.by_tiles(dy, true); dx.defined()) return {dx, at::Tensor()};
    return {at::matmul(dy, weight.unpacked(0, weight.out(), dy.scalar_type())), at::Tensor()};
  }
  // Both operands are contiguous: oneDNN's bfloat16 product of a strided view takes 30 times as long as of its copy.
  static at::Tensor product(const at::Tensor& x, const FrozenWeight& weight) {
    if (at::Tensor y = weight.by_tiles(x, false); y.defined()) return y;
    return at::linear(x.contiguous(), weight.unpacked(0, weight.out(), x.scalar_type()));
  }
};

FrozenLinear FrozenLinear::load(SafeTensors& file, const std::string& prefix, int out, int in) {
  FrozenLinear layer;
  layer.weight_ = std::make_shared<const FrozenWeight>(FrozenWeight::load(file, prefix, out, in));
  return layer;
}

FrozenLinear FrozenLinear::to(at::Device device) const {
  if (device == weight_->device()) return *this;
  FrozenLinear layer;
  layer.weight_ = std::make_shared<const FrozenWeight>(weight_->to(device));
  return layer;
}

at::Tensor FrozenLinear::operator()(const at::Tensor& x) const {
  CP_CHECK(x.size(-1) == weight_->in(), "FrozenLinear: x is not as wide as the weight");
  CP_CHECK(x.device() == weight_->device(), "FrozenLinear: x is on another device");
  if (at::GradMode::is_enabled() && x.requires_grad()) return FrozenProduct::apply(x, weight_);
  at::Tensor y = weight_->small_batch(x);
  return y.defined() ? y : FrozenProduct::product(x, *weight_);
}

at::Tensor FrozenLinear::rows(const at::Tensor& ids) const {
  std::vector<std::int64_t> shape = ids.sizes().vec();
  shape.push_back(weight_->in());
  return weight_->rows(ids.contiguous().view({-1})).view(shape);
}

at::Tensor FrozenLinear::weight(std::int64_t first, std::int64_t count, at::ScalarType dtype) const {
  return weight_->unpacked(first, count, dtype);
}

std::int64_t FrozenLinear::out() const { return weight_->out(); }
std::int64_t FrozenLinear::in() const { return weight_->in(); }
std::int64_t FrozenLinear::bytes() const { return weight_->bytes(); }
at::Device FrozenLinear::device() const { return weight_->device(); }

}  // namespace cp
