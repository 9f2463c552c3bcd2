#include "runtime/projection.h"

#include "core/error.h"
#include "formats/int8_rows.h"
#include "formats/language_weights.h"
#include "formats/nf4.h"

namespace cp {

std::optional<Quantized> load_quantized(const SafeTensors& file, const std::string& prefix, int out, int in) {
  switch (storage_of(file, prefix)) {
    case Storage::nf4: {
      Nf4Weight weight = read_nf4(file, prefix, out, in);
      return Nf4Matrix{out, in, std::move(weight.codes), weight.scales(), weight.map};
    }
    case Storage::int8: {
      Int8Rows weight = read_int8_rows(file, prefix, out, in);
      return Int8Matrix{out, in, std::move(weight.codes), std::move(weight.scales)};
    }
    case Storage::dense:
      break;
  }
  return std::nullopt;
}

Projection Projection::load(const SafeTensors& file, const std::string& prefix, int out, int in) {
  Projection p;
  p.out_ = out;
  p.in_ = in;
  if (std::optional<Quantized> quantized = load_quantized(file, prefix, out, in))
    std::visit([&](auto& weight) { p.weight_ = std::move(weight); }, *quantized);
  else
    p.weight_ = pack_transposed(load_floats(file, prefix + ".weight", {out, in}), out, in);
  if (file.has(prefix + ".bias")) p.bias_ = load_floats(file, prefix + ".bias", {out});
  return p;
}

std::vector<float> Projection::operator()(std::span<const float> x) const {
  const std::size_t in = static_cast<std::size_t>(in_);
  CP_CHECK(in > 0 && x.size() % in == 0, "Projection: x is not made of rows as wide as the weight");
  const int rows = static_cast<int>(x.size() / in);
  std::vector<float> y(static_cast<std::size_t>(rows) * static_cast<std::size_t>(out_));
  if (const auto* dense = std::get_if<PackedMatrix>(&weight_))
    gemm(x, rows, *dense, bias_, y);
  else if (const auto* nf4 = std::get_if<Nf4Matrix>(&weight_))
    nf4_gemm(x, rows, *nf4, bias_, y);
  else
    int8_gemm(x, rows, std::get<Int8Matrix>(weight_), bias_, y);
  if (adapter_) {
    std::vector<float> low(static_cast<std::size_t>(rows) * static_cast<std::size_t>(adapter_->a.cols)), high(y.size());
    gemm(x, rows, adapter_->a, {}, low);
    gemm(low, rows, adapter_->b, {}, high);
    axpy(1.f, high.data(), y.data(), static_cast<int>(y.size()));
  }
  return y;
}

void Projection::row(int index, std::span<float> out) const {
  CP_CHECK(index >= 0 && index < out_ && out.size() == static_cast<std::size_t>(in_), "Projection::row");
  if (const auto* dense = std::get_if<PackedMatrix>(&weight_)) {
    const float* panel = dense->panel(index / PackedMatrix::kPanel) + index % PackedMatrix::kPanel;
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = panel[k * PackedMatrix::kPanel];
  } else if (const auto* int8 = std::get_if<Int8Matrix>(&weight_)) {
    int8_row(*int8, index, out);
  } else {
    CP_CHECK(false, "Projection::row: no rows of NF4");
  }
}

void Projection::attach(const LoraModule& adapter) {
  std::vector<float> b = adapter.b;
  for (float& v : b) v *= static_cast<float>(adapter.scale);
  adapter_ = LowRank{pack_transposed(adapter.a, adapter.rank, in_), pack_transposed(b, out_, adapter.rank)};
}

}  // namespace cp
