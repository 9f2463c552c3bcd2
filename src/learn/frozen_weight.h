#pragma once
// In:  the weight of a linear layer, dense, NF4 or int8, on the CPU or a GPU.
// Out: rows of it in the dtype that a product wants, without a float32 copy of the whole.
// Not here: products with a gradient (frozen_linear.h), the kernels (kernels/).

#include <array>
#include <cstdint>
#include <string>
#include <variant>

#include "formats/safetensors.h"
#include "kernels/nf4.h"
#include "learn/torch.h"

namespace cp {

class FrozenWeight {
 public:
  // PREFIX.weight (out in). Throws UserError(model).
  static FrozenWeight load(SafeTensors& file, const std::string& prefix, int out, int in);
  FrozenWeight to(at::Device device) const;  // a copy; from the CPU

  // Rows first .. first + count - 1, (count in), contiguous; each value rounded from float32 to nearest even.
  at::Tensor unpacked(std::int64_t first, std::int64_t count, at::ScalarType dtype) const;
  // Rows by number: (n) i64 -> (n in) float32.
  at::Tensor rows(const at::Tensor& ids) const;
  // x W^T without unpacking; undefined where there is no kernel for it (not NF4 on a GPU, too many rows, float64).
  at::Tensor small_batch(const at::Tensor& x) const;

  // x (... in) W^T, or with `backward` dy (... out) W, bfloat16, by the processor's matrix tiles without an unpacked W;
  // undefined where that is not to be had (another dtype, not NF4, no such processor, no whole tiles).
  at::Tensor by_tiles(const at::Tensor& rows, bool backward) const;

  std::int64_t out() const { return out_; }
  std::int64_t in() const { return in_; }
  std::int64_t bytes() const;
  at::Device device() const { return device_; }

 private:
  struct Int8Tensors {
    at::Tensor codes, scales;  // (out in) i8, (out) f32
  };
  struct Nf4Tensors {          // on a GPU; the CPU's kernels take an Nf4Matrix
    at::Tensor codes, scales;  // u8, f32, as in Nf4Matrix
    std::array<float, 16> map;
  };

  std::int64_t out_ = 0, in_ = 0;
  at::Device device_ = at::kCPU;
  std::variant<at::Tensor, Int8Tensors, Nf4Matrix, Nf4Tensors> stored_;

  void unpack_into(at::Tensor& to, std::int64_t first, const Int8Tensors& w) const;
  void unpack_into(at::Tensor& to, std::int64_t first, const Nf4Matrix& w) const;
  void unpack_into(at::Tensor& to, std::int64_t first, const Nf4Tensors& w) const;
};

}  // namespace cp
