#pragma once
// In:  a linear layer of a language model's file, dense, NF4 or int8.
// Out: its product with activations, differentiable by them alone; W stays as it is stored and is unpacked for each
//      product, forward and backward (QLoRA, Dettmers et al. 2023).
// Not here: adapters (lora.h), inference without LibTorch (runtime/projection.h).

#include <cstdint>
#include <memory>
#include <string>

#include "formats/safetensors.h"
#include "learn/torch.h"

namespace cp {

class FrozenLinear {
 public:
  // PREFIX.weight (out in). Dense weights keep the file's dtype. Throws UserError(model).
  static FrozenLinear load(const SafeTensors& file, const std::string& prefix, int out, int in);

  // x (... in) -> (... out) in x's dtype, without bias.
  at::Tensor operator()(const at::Tensor& x) const;
  // Rows of W by number: (...) i64 -> (... in) float32; an embedding. No gradient.
  at::Tensor rows(const at::Tensor& ids) const;
  // Rows first .. first + count - 1 of W, unpacked: (count in) float32.
  at::Tensor weight(std::int64_t first, std::int64_t count) const;

  std::int64_t out() const;
  std::int64_t in() const;
  std::int64_t bytes() const;  // held in memory

 private:
  struct Stored;
  friend class FrozenProduct;
  friend struct HeldLayer;
  std::shared_ptr<const Stored> stored_;
};

}  // namespace cp
