#pragma once
// In:  a linear layer of a language model's file, dense, NF4 or int8.
// Out: its product with activations, differentiable by them alone, on the CPU or a GPU; W stays as it is stored and is
//      unpacked for each product, forward and backward (QLoRA, Dettmers et al. 2023), straight to the product's dtype.
// Not here: how W is kept and unpacked (frozen_weight.h), adapters (lora.h), inference without LibTorch
//           (runtime/projection.h).

#include <cstdint>
#include <memory>
#include <string>

#include "formats/safetensors.h"
#include "learn/torch.h"

namespace cp {

class FrozenWeight;

class FrozenLinear {
 public:
  // PREFIX.weight (out in), on the CPU. Dense weights keep the file's dtype. Throws UserError(model).
  static FrozenLinear load(SafeTensors& file, const std::string& prefix, int out, int in);

  // The same layer on `device`: itself where it is there already, else a copy (from the CPU to a GPU; not back). NF4 on
  // a GPU needs this program's CUDA kernels (parse_device in device.h says so first).
  FrozenLinear to(at::Device device) const;

  // x (... in), on the layer's device, f16, bf16, f32 or f64 -> (... out) in x's dtype, without bias. W is rounded to
  // that dtype once. Up to kNf4SmallBatch rows on a GPU without a gradient read NF4 as it is.
  at::Tensor operator()(const at::Tensor& x) const;
  // Rows of W by number: (...) i64 -> (... in) float32; an embedding. No gradient.
  at::Tensor rows(const at::Tensor& ids) const;
  // Rows first .. first + count - 1 of W, unpacked and rounded to nearest even: (count in).
  at::Tensor weight(std::int64_t first, std::int64_t count, at::ScalarType dtype = at::kFloat) const;

  std::int64_t out() const;
  std::int64_t in() const;
  std::int64_t bytes() const;  // held in memory
  at::Device device() const;

 private:
  friend class FrozenProduct;
  friend struct HeldLayer;
  std::shared_ptr<const FrozenWeight> weight_;
};

}  // namespace cp
