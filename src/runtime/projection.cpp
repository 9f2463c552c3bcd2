#include "runtime/projection.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"
#include "core/thread_pool.h"
#include "formats/int8_rows.h"
#include "formats/language_weights.h"
#include "formats/nf4.h"

namespace cp {

namespace {

constexpr double kForkWork = 4e5;  // multiplications below which one thread is done sooner than two have begun

std::size_t size(int n) { return static_cast<std::size_t>(n); }

}  // namespace

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

void ProjectionInput::set(std::span<const float> x, int in) {
  CP_CHECK(in > 0 && x.size() % size(in) == 0, "ProjectionInput: x is not made of rows of that width");
  values_ = x;
  in_ = in;
  rows_ = static_cast<int>(x.size() / size(in));
  has_codes_ = has_many_ = false;
}

Projection Projection::load(const SafeTensors& file, const std::string& prefix, int out, int in, Products products,
                            WeightArena* arena) {
  Projection p;
  p.out_ = out;
  p.in_ = in;
  const bool fast = products == Products::fast && arena;
  if (std::optional<Quantized> quantized = load_quantized(file, prefix, out, in)) {
    if (auto* nf4 = std::get_if<Nf4Matrix>(&*quantized)) {
      if (fast && in % Nf4Matrix::kBlock == 0)
        p.weight_ = pack_nf4(*nf4, *arena);
      else
        p.weight_ = std::move(*nf4);
    } else if (auto& int8 = std::get<Int8Matrix>(*quantized); fast) {
      p.weight_ = pack_int8(int8, *arena);
    } else {
      p.weight_ = std::move(int8);
    }
  } else {
    p.weight_ = pack_transposed(load_floats(file, prefix + ".weight", {out, in}), out, in);
  }
  if (file.has(prefix + ".bias")) p.bias_ = load_floats(file, prefix + ".bias", {out});
  return p;
}

Projection Projection::load_table(const SafeTensors& file, const std::string& prefix, int out, int in,
                                  WeightArena& arena) {
  if (storage_of(file, prefix) == Storage::nf4) return load(file, prefix, out, in, Products::fast, &arena);
  Projection p;
  p.out_ = out;
  p.in_ = in;
  Int8Packed packed = empty_int8(out, in, arena);
  const std::size_t width = size(in);
  if (storage_of(file, prefix) == Storage::int8) {
    const Int8RowsView rows = view_int8_rows(file, prefix, out, in);
    thread_pool().run_ranges(size(out), kGroup, [&](std::size_t first, std::size_t last) {
      for (std::size_t n = first; n < last; ++n)
        set_int8_row(packed, static_cast<int>(n), rows.codes.subspan(n * width, width), rows.scales[n]);
    });
  } else {
    file.get(prefix + ".weight", {out, in});
    constexpr std::size_t kPiece = 256;  // rows
    thread_pool().run((size(out) + kPiece - 1) / kPiece, [&](std::size_t piece) {
      const std::size_t first = piece * kPiece, count = std::min(kPiece, size(out) - first);
      const std::vector<float> values = file.floats(prefix + ".weight", static_cast<std::int64_t>(first * width),
                                                    static_cast<std::int64_t>(count * width));
      std::vector<std::int8_t> codes(width);
      for (std::size_t n = 0; n < count; ++n) {
        const float scale = int8_row_codes(std::span(values).subspan(n * width, width), codes.data());
        if (!std::isfinite(scale))
          throw UserError(ErrorKind::numeric, file.where() + ", " + prefix,
                          fmt::format("row {} holds a value that is not finite.", first + n),
                          "The weights are damaged or the training diverged: take another checkpoint.");
        set_int8_row(packed, static_cast<int>(first + n), codes, scale);
      }
    });
  }
  p.weight_ = std::move(packed);
  return p;
}

bool Projection::divides() const {
  return !std::holds_alternative<Nf4Matrix>(weight_) && !std::holds_alternative<Int8Matrix>(weight_);
}

void Projection::prepare(ProjectionInput& x, std::size_t slot) const {
  CP_CHECK(x.in_ == in_, "Projection: x is not made of rows as wide as the weight");
  const bool nf4 = std::holds_alternative<Nf4Packed>(weight_), many = nf4 && x.rows_ > kFewRows;
  if (many && !x.has_many_) {
    fill_many_rows(x.values_, x.rows_, in_, x.many_);
    x.has_many_ = true;
  }
  if (((nf4 && !many) || std::holds_alternative<Int8Packed>(weight_)) && !x.has_codes_) {
    quantize_activations(x.values_, x.rows_, in_, x.codes_);
    x.has_codes_ = true;
  }
  if (!adapter_) return;
  if (x.low_.size() <= slot) x.low_.resize(slot + 1);
  x.low_[slot].resize(size(x.rows_) * size(adapter_->a.cols));
  gemm(x.values_, x.rows_, adapter_->a, {}, x.low_[slot]);
}

void Projection::columns(const ProjectionInput& x, std::size_t slot, std::size_t first, std::size_t last,
                         float* y) const {
  const float* bias = bias_.empty() ? nullptr : bias_.data();
  const std::size_t n = size(out_);
  if (const auto* nf4 = std::get_if<Nf4Packed>(&weight_)) {
    if (x.rows_ > kFewRows)
      nf4_packed_many(*nf4, x.many_, first, last, bias, y, n);
    else
      nf4_packed_product(*nf4, x.codes_, first, last, bias, y, n);
  } else if (const auto* int8 = std::get_if<Int8Packed>(&weight_)) {
    int8_packed_product(*int8, x.codes_, first, last, bias, y, n);
  } else if (const auto* dense = std::get_if<PackedMatrix>(&weight_)) {
    const int step = std::max(6, 32768 / std::max(1, in_) / 6 * 6);  // rows that stay in the second-level cache
    for (int row = 0; row < x.rows_; row += step)
      for (std::size_t g = first; g < last; ++g)
        gemm_panel(x.values_.data() + size(row) * size(in_), std::min(step, x.rows_ - row),
                   dense->panel(static_cast<int>(g)), in_, static_cast<int>(std::min(kGroup, n - g * kGroup)),
                   bias ? bias + g * kGroup : nullptr, y + size(row) * n + g * kGroup, n);
  } else {
    CP_CHECK(first == 0 && last == groups(), "Projection: these weights are multiplied whole");
    const std::span<float> all(y, size(x.rows_) * n);
    if (const auto* exact = std::get_if<Nf4Matrix>(&weight_))
      nf4_gemm(x.values_, x.rows_, *exact, bias_, all);
    else
      int8_gemm(x.values_, x.rows_, std::get<Int8Matrix>(weight_), bias_, all);
  }
  if (adapter_) add_adapter(x.low_[slot], x.rows_, first, last, y);
}

void Projection::add_adapter(const std::vector<float>& low, int rows, std::size_t first, std::size_t last,
                             float* y) const {
  constexpr int kRows = 32;
  const PackedMatrix& b = adapter_->b;
  const std::size_t n = size(out_);
  float high[kRows * kGroup];
  for (int row = 0; row < rows; row += kRows)
    for (std::size_t g = first; g < last; ++g) {
      const int count = std::min(kRows, rows - row);
      const std::size_t width = std::min(kGroup, n - g * kGroup);
      gemm_panel(low.data() + size(row) * size(b.rows), count, b.panel(static_cast<int>(g)), b.rows,
                 static_cast<int>(width), nullptr, high, kGroup);
      for (std::size_t r = 0; r < size(count); ++r)
        for (std::size_t i = 0; i < width; ++i) y[(size(row) + r) * n + g * kGroup + i] += high[r * kGroup + i];
    }
}

std::vector<float> Projection::operator()(std::span<const float> x) const {
  ProjectionInput input;
  input.set(x, in_);
  std::vector<float> y(size(input.rows()) * size(out_));
  multiply({{*this, y.data()}}, input);
  return y;
}

void Projection::leading(ProjectionInput& x, int count, LeadingScratch& scratch, float* y) const {
  const auto* int8 = std::get_if<Int8Packed>(&weight_);
  if (!int8 || adapter_ || !bias_.empty()) return multiply({{*this, y}}, x);
  prepare(x, 0);
  leading_logits(*int8, x.codes_, count, scratch, y);
}

void Projection::row(int index, std::span<float> out) const {
  CP_CHECK(index >= 0 && index < out_ && out.size() == size(in_), "Projection::row");
  if (const auto* dense = std::get_if<PackedMatrix>(&weight_)) {
    const float* panel = dense->panel(index / PackedMatrix::kPanel) + index % PackedMatrix::kPanel;
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = panel[k * PackedMatrix::kPanel];
  } else if (const auto* int8 = std::get_if<Int8Matrix>(&weight_)) {
    int8_row(*int8, index, out);
  } else if (const auto* packed = std::get_if<Int8Packed>(&weight_)) {
    int8_packed_row(*packed, index, out);
  } else {
    CP_CHECK(false, "Projection::row: no rows of NF4");
  }
}

void Projection::attach(const LoraModule& adapter) {
  std::vector<float> b = adapter.b;
  for (float& v : b) v *= static_cast<float>(adapter.scale);
  adapter_ = LowRank{pack_transposed(adapter.a, adapter.rank, in_), pack_transposed(b, out_, adapter.rank)};
}

void multiply(std::initializer_list<Product> products, ProjectionInput& x) {
  std::size_t groups = 0, slot = 0;
  bool divide = true;
  double work = 0;
  for (const Product& p : products) {
    p.projection.prepare(x, slot++);
    groups += p.projection.groups();
    divide = divide && p.projection.divides();
    work += static_cast<double>(x.rows()) * p.projection.out() * p.projection.in();
  }
  const auto range = [&](std::size_t first, std::size_t last) {
    std::size_t begin = 0, at = 0;
    for (const Product& p : products) {
      const std::size_t end = begin + p.projection.groups(), from = std::max(first, begin), to = std::min(last, end);
      if (from < to) p.projection.columns(x, at, from - begin, to - begin, p.y);
      begin = end;
      ++at;
    }
  };
  if (!divide || work < kForkWork) return range(0, groups);
  thread_pool().run_ranges(groups, 2, range);
}

void multiply_beside(const Product& a, const Product& b, ProjectionInput& x, const ColumnsDone& done) {
  CP_CHECK(a.projection.out() == b.projection.out(), "multiply_beside: widths differ");
  a.projection.prepare(x, 0);
  b.projection.prepare(x, 1);
  const std::size_t groups = a.projection.groups(), n = size(a.projection.out());
  const auto range = [&](std::size_t first, std::size_t last) {
    a.projection.columns(x, 0, first, last, a.y);
    b.projection.columns(x, 1, first, last, b.y);
    done(first * Projection::kGroup, std::min(n, last * Projection::kGroup));
  };
  const double work = 2.0 * x.rows() * a.projection.out() * a.projection.in();
  if (!a.projection.divides() || !b.projection.divides() || work < kForkWork) return range(0, groups);
  thread_pool().run_ranges(groups, 2, range);
}

}  // namespace cp
