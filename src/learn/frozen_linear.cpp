#include "learn/frozen_linear.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>
#include <variant>

#include "core/error.h"
#include "formats/int8_rows.h"
#include "formats/language_weights.h"
#include "formats/nf4.h"
#include "kernels/int8.h"
#include "kernels/nf4.h"

namespace cp {

namespace {

constexpr std::int64_t kRowsAtOnce = 64;

// A dense weight in the dtype of the file; float64 becomes float32.
at::Tensor dense_tensor(const TensorView& view, const SafeTensors& file, const std::string& name) {
  const at::ScalarType dtype = view.dtype == DType::bf16  ? at::kBFloat16
                               : view.dtype == DType::f16 ? at::kHalf
                                                          : at::kFloat;
  if (dtype == at::kFloat) {
    std::vector<float> values = file.floats(name, view.shape);
    return at::from_blob(values.data(), view.shape, at::kFloat).clone();
  }
  at::Tensor out = at::empty(view.shape, dtype);
  std::memcpy(out.data_ptr(), view.bytes.data(), view.bytes.size());
  return out;
}

}  // namespace

struct FrozenLinear::Stored {
  std::int64_t out = 0, in = 0;
  std::variant<at::Tensor, Nf4Matrix, Int8Matrix> weight;

  // Rows first .. first + count - 1 into `to` (count in).
  void unpack(std::int64_t first, std::int64_t count, float* to) const;
  at::Tensor unpacked(std::int64_t first, std::int64_t count) const;
};

void FrozenLinear::Stored::unpack(std::int64_t first, std::int64_t count, float* to) const {
  const auto size = [&](std::int64_t rows) { return static_cast<std::size_t>(rows * in); };
  if (const auto* nf4 = std::get_if<Nf4Matrix>(&weight)) {
    nf4_unpack(*nf4, static_cast<int>(first), static_cast<int>(count), {to, size(count)});
    return;
  }
  for (std::int64_t r = 0; r < count; ++r)
    int8_row(std::get<Int8Matrix>(weight), static_cast<int>(first + r), {to + size(r), size(1)});
}

at::Tensor FrozenLinear::Stored::unpacked(std::int64_t first, std::int64_t count) const {
  if (const auto* dense = std::get_if<at::Tensor>(&weight)) return dense->slice(0, first, first + count).to(at::kFloat);
  at::Tensor rows = at::empty({count, in}, at::kFloat);
  float* to = rows.data_ptr<float>();
  at::parallel_for(0, count, kRowsAtOnce,
                   [&](std::int64_t begin, std::int64_t end) { unpack(first + begin, end - begin, to + begin * in); });
  return rows;
}

// Lets autograd keep a layer alive.
struct HeldLayer : torch::CustomClassHolder {
  std::shared_ptr<const FrozenLinear::Stored> layer;
};

// y = x W^T. What is kept for the way back is the layer as it is stored, not its unpacked weight.
class FrozenProduct : public torch::autograd::Function<FrozenProduct> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::shared_ptr<const FrozenLinear::Stored>& layer) {
    auto held = c10::make_intrusive<HeldLayer>();
    held->layer = layer;
    context->saved_data["layer"] = at::IValue::make_capsule(held);
    return at::linear(x, layer->unpacked(0, layer->out).to(x.scalar_type()));
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto held = c10::static_intrusive_pointer_cast<HeldLayer>(context->saved_data["layer"].toCapsule());
    const FrozenLinear::Stored* layer = held->layer.get();
    const at::Tensor& dy = gradients[0];
    return {at::matmul(dy, layer->unpacked(0, layer->out).to(dy.scalar_type())), at::Tensor()};
  }
};

FrozenLinear FrozenLinear::load(const SafeTensors& file, const std::string& prefix, int out, int in) {
  const auto stored = std::make_shared<Stored>();
  stored->out = out;
  stored->in = in;
  switch (storage_of(file, prefix)) {
    case Storage::nf4: {
      Nf4Weight weight = read_nf4(file, prefix, out, in);
      stored->weight = Nf4Matrix{out, in, std::move(weight.codes), weight.scales(), weight.map};
      break;
    }
    case Storage::int8: {
      Int8Rows weight = read_int8_rows(file, prefix, out, in);
      stored->weight = Int8Matrix{out, in, std::move(weight.codes), std::move(weight.scales)};
      break;
    }
    case Storage::dense:
      stored->weight = dense_tensor(file.get(prefix + ".weight", {out, in}), file, prefix + ".weight");
  }
  FrozenLinear layer;
  layer.stored_ = stored;
  return layer;
}

at::Tensor FrozenLinear::operator()(const at::Tensor& x) const {
  CP_CHECK(x.size(-1) == stored_->in, "FrozenLinear: x is not as wide as the weight");
  return FrozenProduct::apply(x, stored_);
}

at::Tensor FrozenLinear::rows(const at::Tensor& ids) const {
  if (const auto* dense = std::get_if<at::Tensor>(&stored_->weight)) return at::embedding(*dense, ids).to(at::kFloat);
  const at::Tensor flat = ids.contiguous().view({-1});
  at::Tensor out = at::empty({flat.size(0), stored_->in}, at::kFloat);
  for (std::int64_t i = 0; i < flat.size(0); ++i) {
    const std::int64_t id = flat.data_ptr<std::int64_t>()[i];
    CP_CHECK(id >= 0 && id < stored_->out, "FrozenLinear: no such row");
    stored_->unpack(id, 1, out.data_ptr<float>() + i * stored_->in);
  }
  std::vector<std::int64_t> shape = ids.sizes().vec();
  shape.push_back(stored_->in);
  return out.view(shape);
}

at::Tensor FrozenLinear::weight(std::int64_t first, std::int64_t count) const {
  return stored_->unpacked(first, count);
}

std::int64_t FrozenLinear::out() const { return stored_->out; }
std::int64_t FrozenLinear::in() const { return stored_->in; }

std::int64_t FrozenLinear::bytes() const {
  if (const auto* dense = std::get_if<at::Tensor>(&stored_->weight)) return static_cast<std::int64_t>(dense->nbytes());
  if (const auto* nf4 = std::get_if<Nf4Matrix>(&stored_->weight))
    return static_cast<std::int64_t>(nf4->codes.size() + 4 * nf4->scales.size());
  const Int8Matrix& int8 = std::get<Int8Matrix>(stored_->weight);
  return static_cast<std::int64_t>(int8.codes.size() + 4 * int8.scales.size());
}

}  // namespace cp
