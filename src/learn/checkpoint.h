#pragma once
// In:  a part of a network as a function of one tensor.
// Out: its value, with nothing kept inside: the part is computed again when the gradient comes back (Chen et al. 2016,
//      arXiv:1604.06174).
// Not here: which parts (language_net.h).

#include <functional>

#include "learn/torch.h"

namespace cp {

// part(x). Gradients reach x and whatever trainable tensors `part` reads. Torch's generator of x's device is set back
// for the second computation, so that dropout draws the same. Memory: x and the result; time: one more forward pass.
at::Tensor checkpointed(std::function<at::Tensor(const at::Tensor&)> part, const at::Tensor& x);

}  // namespace cp
