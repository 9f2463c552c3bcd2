#include "learn/frozen_weight.h"

#include <ATen/Parallel.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "kernels/nf4_amx.h"
#include "kernels/nf4_cuda.h"
#include "runtime/projection.h"

namespace cp {

namespace {

// float32 values that are unpacked before they are rounded: 128 KiB stay in the second-level cache.
constexpr std::int64_t kTile = 32768;

// A tensor that owns `values`.
template <class T>
at::Tensor adopt(std::vector<T> values, at::IntArrayRef shape, at::ScalarType dtype) {
  const auto kept = std::make_shared<std::vector<T>>(std::move(values));
  return at::from_blob(
      kept->data(), shape, [kept](void*) {}, dtype);
}

// A dense weight in the dtype of the file, which forgets one of 16 bits; float64 becomes float32.
at::Tensor dense_tensor(SafeTensors& file, const std::string& name, const std::vector<std::int64_t>& shape) {
  const TensorView& view = file.get(name, shape);
  const at::ScalarType dtype = view.dtype == DType::bf16  ? at::kBFloat16
                               : view.dtype == DType::f16 ? at::kHalf
                                                          : at::kFloat;
  if (dtype == at::kFloat) {
    return adopt(file.floats(name, view.shape), view.shape, at::kFloat);
  }
  at::Tensor out = at::empty(view.shape, dtype);
  file.move_out(name, static_cast<char*>(out.data_ptr()));
  return out;
}

// A copy on `device` of what `values` holds.
template <class T>
at::Tensor copy_to(at::Device device, const std::vector<T>& values, at::ScalarType dtype) {
  return at::from_blob(const_cast<T*>(values.data()), {static_cast<std::int64_t>(values.size())}, dtype)
      .to(device, dtype, /*non_blocking=*/false, /*copy=*/true);
}

// (rows cols), uninitialised. On the CPU the memory of the last one is taken again once nobody holds it: fewer page
// faults, and a lower peak, because the heap is not cut up between tensors that live longer.
at::Tensor scratch(std::int64_t rows, std::int64_t cols, at::ScalarType dtype, at::Device device) {
  constexpr std::int64_t kMost = 64 << 20;  // bytes that may stay with a thread
  const std::int64_t values = rows * cols;
  const at::TensorOptions options = at::TensorOptions(dtype).device(device);
  if (!device.is_cpu() || values * static_cast<std::int64_t>(c10::elementSize(dtype)) > kMost)
    return at::empty({rows, cols}, options);
  thread_local at::Tensor last;
  if (!last.defined() || last.storage().use_count() > 1 || last.scalar_type() != dtype || last.numel() < values)
    last = at::empty({values}, options);
  return last.slice(0, 0, values).view({rows, cols});
}

// f(first, count) over tiles of `count` rows of `in` values, in parallel.
template <class F>
void each_tile(std::int64_t count, std::int64_t in, const F& f) {
  const std::int64_t rows = std::max<std::int64_t>(1, kTile / in);
  at::parallel_for(0, (count + rows - 1) / rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) f(t * rows, std::min(rows, count - t * rows));
  });
}

CudaValue cuda_value(at::ScalarType dtype) {
  return dtype == at::kHalf ? CudaValue::f16 : dtype == at::kBFloat16 ? CudaValue::bf16 : CudaValue::f32;
}

CudaStream current_stream(at::Device device) {
  return {device.index(), c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle()};
}

template <class Tensors>
Nf4OnCuda on_cuda(std::int64_t out, std::int64_t in, const Tensors& w) {
  return {static_cast<int>(out), static_cast<int>(in), w.codes.template const_data_ptr<std::uint8_t>(),
          w.scales.template const_data_ptr<float>(), w.map};
}

}  // namespace

FrozenWeight FrozenWeight::load(SafeTensors& file, const std::string& prefix, int out, int in) {
  FrozenWeight w;
  w.out_ = out;
  w.in_ = in;
  std::optional<Quantized> quantized = load_quantized(file, prefix, out, in);
  if (!quantized)
    w.stored_ = dense_tensor(file, prefix + ".weight", {out, in});
  else if (auto* nf4 = std::get_if<Nf4Matrix>(&*quantized))
    w.stored_ = std::move(*nf4);
  else {
    Int8Matrix& int8 = std::get<Int8Matrix>(*quantized);
    w.stored_ = Int8Tensors{adopt(std::move(int8.codes), {out, in}, at::kChar),
                            adopt(std::move(int8.scales), {out}, at::kFloat)};
  }
  return w;
}

FrozenWeight FrozenWeight::to(at::Device device) const {
  CP_CHECK(device_.is_cpu(), "FrozenWeight: moves from the CPU only");
  FrozenWeight w;
  w.out_ = out_;
  w.in_ = in_;
  w.device_ = device;
  if (const auto* dense = std::get_if<at::Tensor>(&stored_))
    w.stored_ = dense->to(device);
  else if (const auto* int8 = std::get_if<Int8Tensors>(&stored_))
    w.stored_ = Int8Tensors{int8->codes.to(device), int8->scales.to(device)};
  else {
    const Nf4Matrix& nf4 = std::get<Nf4Matrix>(stored_);
    w.stored_ = Nf4Tensors{copy_to(device, nf4.codes, at::kByte), copy_to(device, nf4.scales, at::kFloat), nf4.map};
  }
  return w;
}

// ---- Unpacking ------------------------------------------------------------------------------------------------------

at::Tensor FrozenWeight::unpacked(std::int64_t first, std::int64_t count, at::ScalarType dtype) const {
  CP_CHECK(first >= 0 && count >= 0 && first <= out_ - count, "FrozenWeight: no such rows");
  if (const auto* dense = std::get_if<at::Tensor>(&stored_)) return dense->slice(0, first, first + count).to(dtype);
  at::Tensor to = scratch(count, in_, dtype, device_);
  if (const auto* int8 = std::get_if<Int8Tensors>(&stored_))
    unpack_into(to, first, *int8);
  else if (const auto* nf4 = std::get_if<Nf4Matrix>(&stored_))
    unpack_into(to, first, *nf4);
  else
    unpack_into(to, first, std::get<Nf4Tensors>(stored_));
  return to;
}

void FrozenWeight::unpack_into(at::Tensor& to, std::int64_t first, const Int8Tensors& w) const {
  const auto rows = [&](std::int64_t begin, std::int64_t count) {
    at::Tensor part = to.slice(0, begin, begin + count);
    const std::int64_t from = first + begin;
    part.copy_(
        w.codes.slice(0, from, from + count).to(at::kFloat).mul_(w.scales.slice(0, from, from + count).unsqueeze(1)));
  };
  if (device_.is_cpu()) return each_tile(to.size(0), in_, rows);
  constexpr std::int64_t kRows = 8192;  // bounds the float32 values of an embedding
  for (std::int64_t begin = 0; begin < to.size(0); begin += kRows) rows(begin, std::min(kRows, to.size(0) - begin));
}

void FrozenWeight::unpack_into(at::Tensor& to, std::int64_t first, const Nf4Matrix& w) const {
  each_tile(to.size(0), in_, [&](std::int64_t begin, std::int64_t count) {
    at::Tensor part = to.slice(0, begin, begin + count);
    const auto size = static_cast<std::size_t>(count * in_);
    if (part.scalar_type() == at::kBFloat16)
      return nf4_unpack_bf16(w, static_cast<int>(first + begin), static_cast<int>(count),
                             {reinterpret_cast<std::uint16_t*>(part.data_ptr<at::BFloat16>()), size});
    const at::Tensor values = part.scalar_type() == at::kFloat ? part : at::empty({count, in_}, at::kFloat);
    nf4_unpack(w, static_cast<int>(first + begin), static_cast<int>(count), {values.data_ptr<float>(), size});
    if (!values.is_same(part)) part.copy_(values);
  });
}

void FrozenWeight::unpack_into(at::Tensor& to, std::int64_t first, const Nf4Tensors& w) const {
  if (to.scalar_type() == at::kDouble) {
    at::Tensor values = at::empty_like(to, at::kFloat);
    unpack_into(values, first, w);
    to.copy_(values);
    return;
  }
  nf4_cuda_unpack(on_cuda(out_, in_, w), static_cast<int>(first), static_cast<int>(to.size(0)),
                  cuda_value(to.scalar_type()), to.data_ptr(), current_stream(device_));
}

at::Tensor FrozenWeight::rows(const at::Tensor& ids) const {
  if (const auto* dense = std::get_if<at::Tensor>(&stored_)) return at::embedding(*dense, ids).to(at::kFloat);
  if (const auto* int8 = std::get_if<Int8Tensors>(&stored_))
    return int8->codes.index_select(0, ids).to(at::kFloat).mul_(int8->scales.index_select(0, ids).unsqueeze(1));
  const at::Tensor numbers = ids.cpu();
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i < numbers.size(0); ++i)
    rows.push_back(unpacked(numbers.const_data_ptr<std::int64_t>()[i], 1, at::kFloat));
  return rows.empty() ? at::empty({0, in_}, at::TensorOptions(at::kFloat).device(device_)) : at::cat(rows);
}

at::Tensor FrozenWeight::by_tiles(const at::Tensor& rows, bool backward) const {
  const auto* nf4 = std::get_if<Nf4Matrix>(&stored_);
  if (!nf4 || rows.scalar_type() != at::kBFloat16 || !nf4_amx_fits(*nf4)) return {};
  std::vector<std::int64_t> shape = rows.sizes().vec();
  shape.back() = backward ? in_ : out_;
  const at::Tensor a = rows.contiguous();
  at::Tensor product = at::empty(shape, a.options());
  const auto bits = [](const at::Tensor& t) {
    return std::span(reinterpret_cast<std::uint16_t*>(t.data_ptr<at::BFloat16>()), static_cast<std::size_t>(t.numel()));
  };
  constexpr std::int64_t kColumns = 32;  // of a tile pair
  const int m = static_cast<int>(a.numel() / a.size(-1));
  at::parallel_for(0, shape.back() / kColumns, 1, [&](std::int64_t begin, std::int64_t end) {
    (backward ? nf4_amx_backward : nf4_amx_forward)(bits(a), m, *nf4, static_cast<int>(begin * kColumns),
                                                    static_cast<int>((end - begin) * kColumns), bits(product));
  });
  return product;
}

at::Tensor FrozenWeight::small_batch(const at::Tensor& x) const {
  const auto* nf4 = std::get_if<Nf4Tensors>(&stored_);
  const std::int64_t rows = in_ > 0 ? x.numel() / in_ : 0;
  if (!nf4 || rows < 1 || rows > kNf4SmallBatch || x.scalar_type() == at::kDouble) return {};
  const at::Tensor from = x.contiguous();
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = out_;
  at::Tensor y = at::empty(shape, x.options());
  nf4_cuda_small_batch(on_cuda(out_, in_, *nf4), from.const_data_ptr(), static_cast<int>(rows),
                       cuda_value(x.scalar_type()), y.data_ptr(), current_stream(device_));
  return y;
}

std::int64_t FrozenWeight::bytes() const {
  if (const auto* dense = std::get_if<at::Tensor>(&stored_)) return static_cast<std::int64_t>(dense->nbytes());
  if (const auto* nf4 = std::get_if<Nf4Matrix>(&stored_))
    return static_cast<std::int64_t>(nf4->codes.size() + 4 * nf4->scales.size());
  const auto both = [](const auto& w) { return static_cast<std::int64_t>(w.codes.nbytes() + w.scales.nbytes()); };
  if (const auto* int8 = std::get_if<Int8Tensors>(&stored_)) return both(*int8);
  return both(std::get<Nf4Tensors>(stored_));
}

}  // namespace cp
