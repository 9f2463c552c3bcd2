#pragma once
// In:  a linear layer of a language model's file, dense, NF4 or int8; perhaps an adapter of it.
// Out: y = W x + bias + scale B A x, with W kept as it is stored (dense: float32).
// Not here: the products (kernels/), what a file must hold (formats/language_weights.h).

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "formats/peft_adapter.h"
#include "kernels/int8.h"
#include "kernels/nf4.h"
#include "runtime/layers.h"

namespace cp {

// A linear layer as NF4 or int8.
using Quantized = std::variant<Nf4Matrix, Int8Matrix>;

// PREFIX.weight (out in); nothing when the file has it dense. Throws UserError(model).
std::optional<Quantized> load_quantized(const SafeTensors& file, const std::string& prefix, int out, int in);

class Projection {
 public:
  // PREFIX.weight (out in) and, when it is there, PREFIX.bias (out). Throws UserError(model).
  static Projection load(const SafeTensors& file, const std::string& prefix, int out, int in);

  // x (M in) -> (M out).
  std::vector<float> operator()(std::span<const float> x) const;
  // Row `index` of W (in): an embedding, where W is the table.
  void row(int index, std::span<float> out) const;

  // Adds the adapter's product to every later one.
  void attach(const LoraModule& adapter);

  int out() const { return out_; }
  int in() const { return in_; }

 private:
  struct LowRank {
    PackedMatrix a, b;  // (in rank), (rank out) times scale
  };

  int out_ = 0, in_ = 0;
  std::variant<PackedMatrix, Nf4Matrix, Int8Matrix> weight_;
  std::vector<float> bias_;
  std::optional<LowRank> adapter_;
};

}  // namespace cp
