#include "learn/checkpoint.h"

#include <ATen/Context.h>
#include <torch/csrc/autograd/custom_function.h>

namespace cp {

namespace {

struct Part : torch::CustomClassHolder {
  std::function<at::Tensor(const at::Tensor&)> compute;
  at::Tensor generator;  // state before the first computation
};

at::Generator generator_of(const at::Tensor& x) { return at::globalContext().defaultGenerator(x.device()); }

at::Tensor generator_state(const at::Tensor& x) {
  at::Generator g = generator_of(x);
  const std::lock_guard<std::mutex> lock(g.mutex());
  return g.get_state();
}

void set_generator_state(const at::Tensor& x, const at::Tensor& state) {
  at::Generator g = generator_of(x);
  const std::lock_guard<std::mutex> lock(g.mutex());
  g.set_state(state);
}

class Checkpoint : public torch::autograd::Function<Checkpoint> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<Part>& part) {
    part->generator = generator_state(x);
    context->saved_data["part"] = at::IValue::make_capsule(part);
    context->save_for_backward({x});
    return part->compute(x);  // without a graph: Function switches gradients off
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto part = c10::static_intrusive_pointer_cast<Part>(context->saved_data["part"].toCapsule());
    const at::Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    const at::Tensor now = generator_state(x);
    set_generator_state(x, part->generator);
    at::Tensor y;
    {
      const at::AutoGradMode with_gradients(true);
      y = part->compute(x);
    }
    set_generator_state(x, now);
    y.backward(gradients[0]);  // trainable tensors inside get theirs here
    return {x.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor checkpointed(std::function<at::Tensor(const at::Tensor&)> part, const at::Tensor& x) {
  auto held = c10::make_intrusive<Part>();
  held->compute = std::move(part);
  return Checkpoint::apply(x.requires_grad() ? x : x.detach().requires_grad_(true), held);
}

}  // namespace cp
