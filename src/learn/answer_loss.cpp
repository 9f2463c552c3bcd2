#include "learn/answer_loss.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "core/error.h"

namespace cp {

namespace {

// Calls use(first row, W slice in x's dtype) over the head.
template <class Use>
void each_slice(const FrozenLinear& head, at::ScalarType dtype, Use use) {
  for (std::int64_t first = 0; first < head.out(); first += kHeadSlice)
    use(first, head.weight(first, std::min(kHeadSlice, head.out() - first), dtype));
}

// Sum of the rows' losses; `logits` (r V) becomes d loss / d logits.
at::Tensor loss_and_gradient(at::Tensor& logits, const at::Tensor& labels, double smoothing) {
  const at::Tensor lse = logits.logsumexp(1, true);
  const at::Tensor label = labels.unsqueeze(1);
  const auto vocabulary = static_cast<double>(logits.size(1));
  const at::Tensor loss = (lse - (1 - smoothing) * logits.gather(1, label) - smoothing * logits.mean(1, true)).sum();
  logits.sub_(lse).exp_().sub_(smoothing / vocabulary);
  logits.scatter_add_(1, label, at::full_like(lse, smoothing - 1));
  return loss;
}

class AnswerLoss : public torch::autograd::Function<AnswerLoss> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& hidden,
                            const at::Tensor& labels, const FrozenLinear& head, double smoothing, std::int64_t chunk) {
    const std::int64_t rows = hidden.size(0);
    const at::TensorOptions wide =
        hidden.options().dtype(hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    at::Tensor loss = at::zeros({}, wide), gradient = at::zeros(hidden.sizes(), wide);
    for (std::int64_t first = 0; first < rows; first += chunk) {
      const std::int64_t end = std::min(rows, first + chunk);
      const at::Tensor x = hidden.slice(0, first, end).contiguous();
      at::Tensor logits = at::empty({end - first, head.out()}, wide);
      at::Tensor dx = gradient.slice(0, first, end);
      each_slice(head, x.scalar_type(), [&](std::int64_t row, const at::Tensor& w) {
        logits.slice(1, row, row + w.size(0)).copy_(at::linear(x, w));
      });
      loss += loss_and_gradient(logits, labels.slice(0, first, end), smoothing);
      each_slice(head, x.scalar_type(), [&](std::int64_t row, const at::Tensor& w) {
        dx.add_(at::matmul(logits.slice(1, row, row + w.size(0)).to(w.scalar_type()), w));
      });
    }
    context->save_for_backward({gradient.div_(static_cast<double>(rows)).to(hidden.scalar_type())});
    return loss / static_cast<double>(rows);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    return {context->get_saved_variables()[0] * gradients[0], {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor answer_loss(const at::Tensor& hidden, const at::Tensor& labels, const FrozenLinear& head,
                       double label_smoothing, std::int64_t chunk) {
  CP_CHECK(
      hidden.dim() == 2 && labels.dim() == 1 && hidden.size(0) == labels.size(0) && hidden.size(0) > 0 && chunk > 0,
      "answer_loss: hidden is not R x D, or labels are not R");
  return AnswerLoss::apply(hidden, labels, head, label_smoothing, chunk);
}

}  // namespace cp
