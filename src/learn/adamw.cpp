#include "learn/adamw.h"

#include <cmath>

namespace cp {

void AdamW::add_group(ParamSet& set, double scale, const std::string& prefix) {
  for (const std::string& key : set.names())
    slots_.push_back(
        {prefix + key, &set, key, scale, at::zeros_like(set[key].detach()), at::zeros_like(set[key].detach())});
}

void AdamW::zero_grad() {
  for (Slot& slot : slots_) (*slot.set)[slot.key].mutable_grad().reset();
}

void AdamW::multiply_gradients(double factor) {
  at::NoGradGuard no_grad;
  for (Slot& slot : slots_) {
    at::Tensor& grad = (*slot.set)[slot.key].mutable_grad();
    if (grad.defined()) grad.mul_(factor);
  }
}

double AdamW::clip_gradients(double limit) {
  at::NoGradGuard no_grad;
  double sum = 0;
  for (Slot& slot : slots_) {
    const at::Tensor& grad = (*slot.set)[slot.key].grad();
    if (grad.defined()) sum += grad.to(at::kDouble).pow(2).sum().item<double>();
  }
  const double norm = std::sqrt(sum);
  if (!std::isfinite(norm) || norm <= limit) return norm;
  multiply_gradients(limit / norm);
  return norm;
}

void AdamW::step(double learning_rate) {
  at::NoGradGuard no_grad;
  ++steps_;
  const double correct1 = 1 - std::pow(options_.beta1, static_cast<double>(steps_));
  const double correct2 = 1 - std::pow(options_.beta2, static_cast<double>(steps_));
  for (Slot& slot : slots_) {
    at::Tensor& value = (*slot.set)[slot.key];
    const at::Tensor& grad = value.grad();
    if (!grad.defined()) continue;
    const double lr = learning_rate * slot.scale;
    slot.mean.lerp_(grad, 1 - options_.beta1);
    slot.square.mul_(options_.beta2).addcmul_(grad, grad, 1 - options_.beta2);
    value.mul_(1 - lr * options_.weight_decay);
    const at::Tensor denominator = (slot.square / correct2).sqrt_().add_(options_.eps);
    value.addcdiv_(slot.mean, denominator, -lr / correct1);
  }
}

std::vector<TensorToWrite> AdamW::state() const {
  std::vector<TensorToWrite> out;
  for (const Slot& slot : slots_) {
    out.push_back({slot.name + ".mean", slot.mean.sizes().vec(), to_floats(slot.mean), DType::f32});
    out.push_back({slot.name + ".square", slot.square.sizes().vec(), to_floats(slot.square), DType::f32});
  }
  return out;
}

void AdamW::load_state(const SafeTensors& file) {
  TensorExpectation expectation;
  for (const Slot& slot : slots_) {
    expectation.want(slot.name + ".mean", slot.mean.sizes().vec());
    expectation.want(slot.name + ".square", slot.square.sizes().vec());
  }
  expectation.check(file);
  for (Slot& slot : slots_) {
    std::vector<float> mean = file.floats(slot.name + ".mean", slot.mean.sizes().vec());
    std::vector<float> square = file.floats(slot.name + ".square", slot.square.sizes().vec());
    slot.mean.copy_(at::from_blob(mean.data(), slot.mean.sizes(), at::kFloat));
    slot.square.copy_(at::from_blob(square.data(), slot.square.sizes(), at::kFloat));
  }
}

}  // namespace cp
