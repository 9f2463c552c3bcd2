#pragma once
// In:  a linear layer of a language model's file, dense, NF4 or int8; perhaps an adapter of it.
// Out: y = W x + bias + scale B A x, a range of columns at a time, so that several threads and several layers with one
//      input share a fork.
// Not here: the products (kernels/), what a file must hold (formats/language_weights.h).

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "formats/peft_adapter.h"
#include "kernels/int8.h"
#include "kernels/leading_logits.h"
#include "kernels/nf4.h"
#include "kernels/packed4_many.h"
#include "runtime/layers.h"

namespace cp {

// exact: every weight has the value that its storage stands for, and sums are float32, as the parity tests want.
// fast: NF4 and int8 weights are repacked, activations rounded to 8 bits (few rows) or bfloat16 (many): packed4.h,
// packed4_many.h. Dense weights are float32 either way.
enum class Products { exact, fast };

// A linear layer as NF4 or int8.
using Quantized = std::variant<Nf4Matrix, Int8Matrix>;

// PREFIX.weight (out in); nothing when the file has it dense. Throws UserError(model).
std::optional<Quantized> load_quantized(const SafeTensors& file, const std::string& prefix, int out, int in);

// Rows that one or more projections read, in the forms that they want; each form is made once. Keeps its memory.
class ProjectionInput {
 public:
  // x (M in) must outlive the products.
  void set(std::span<const float> x, int in);
  int rows() const { return rows_; }

 private:
  friend class Projection;
  std::span<const float> values_;
  int rows_ = 0, in_ = 0;
  bool has_codes_ = false, has_many_ = false;
  Activations8 codes_;
  ManyRows many_;
  std::vector<std::vector<float>> low_;  // A x of each projection's adapter
};

class Projection {
 public:
  static constexpr std::size_t kGroup = 16;
  static constexpr int kFewRows = 8;  // more rows than this are worth unpacking the weights for

  // PREFIX.weight (out in) and, when it is there, PREFIX.bias (out). Throws UserError(model).
  static Projection load(const SafeTensors& file, const std::string& prefix, int out, int in,
                         Products products = Products::exact, WeightArena* arena = nullptr);
  // The same without a bias, in int8 with fast products however the file has it, unless that is NF4.
  static Projection load_table(const SafeTensors& file, const std::string& prefix, int out, int in, WeightArena& arena);

  // Makes what columns() needs of `x`; `slot` (0, 1, 2 ...) tells projections with one input apart.
  void prepare(ProjectionInput& x, std::size_t slot) const;
  // Columns 16 first .. 16 last - 1 of y (M out). Called by several threads at once.
  void columns(const ProjectionInput& x, std::size_t slot, std::size_t first, std::size_t last, float* y) const;
  // Whether columns() may be called with less than all of them.
  bool divides() const;
  std::size_t groups() const { return (static_cast<std::size_t>(out_) + kGroup - 1) / kGroup; }

  // x (M in) -> (M out).
  std::vector<float> operator()(std::span<const float> x) const;
  // y (M out): the `count` largest values of each row as columns() gives them, others perhaps roughly.
  void leading(ProjectionInput& x, int count, LeadingScratch& scratch, float* y) const;
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

  void add_adapter(const std::vector<float>& low, int rows, std::size_t first, std::size_t last, float* y) const;

  int out_ = 0, in_ = 0;
  std::variant<PackedMatrix, Nf4Matrix, Int8Matrix, Nf4Packed, Int8Packed> weight_;
  std::vector<float> bias_;
  std::optional<LowRank> adapter_;
};

// One product of several that share an input: y (M out).
struct Product {
  const Projection& projection;
  float* y;
};

// All of them in one fork, where that is worth one.
void multiply(std::initializer_list<Product> products, ProjectionInput& x);
using ColumnsDone = std::function<void(std::size_t first, std::size_t last)>;
// Two of equal width in one fork; done() follows, in the same thread, when those columns of both are there.
void multiply_beside(const Product& a, const Product& b, ProjectionInput& x, const ColumnsDone& done);

}  // namespace cp
