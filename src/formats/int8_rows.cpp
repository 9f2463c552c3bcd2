#include "formats/int8_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

[[noreturn]] void refuse(const SafeTensors& file, const std::string& tensor, const std::string& what) {
  throw UserError(ErrorKind::model, file.where(), fmt::format("tensor \"{}\": {}", tensor, what),
                  "Quantise the model again.");
}

const TensorView& get(const SafeTensors& file, const std::string& name, const std::vector<std::int64_t>& shape,
                      DType dtype) {
  const TensorView& view = file.get(name, shape);
  if (view.dtype != dtype)
    refuse(file, name, fmt::format("wanted {}, found {}.", dtype_name(dtype), dtype_name(view.dtype)));
  return view;
}

std::size_t area(int rows, int cols) {
  CP_CHECK(rows > 0 && cols > 0, fmt::format("{} x {} weights", rows, cols));
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
}

}  // namespace

Int8Rows quantize_int8_rows(std::span<const float> w, int rows, int cols, const std::string& where) {
  CP_CHECK(w.size() == area(rows, cols), fmt::format("{} values for {} x {}", w.size(), rows, cols));
  Int8Rows out{rows, cols, {}, {}};
  out.codes.reserve(w.size());
  out.scales.reserve(static_cast<std::size_t>(rows));
  for (std::size_t first = 0; first < w.size(); first += static_cast<std::size_t>(cols)) {
    const std::span<const float> row = w.subspan(first, static_cast<std::size_t>(cols));
    float most = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (!std::isfinite(row[i]))
        throw UserError(ErrorKind::numeric, where, fmt::format("value {} is not finite ({}).", first + i, row[i]),
                        "The weights are damaged; fetch or train them again.");
      most = std::max(most, std::fabs(row[i]));
    }
    const float scale = most / 127.0f;
    out.scales.push_back(scale);
    for (const float value : row) {
      // A scale may be 0, or (a subnormal) too small by half; the quotient is then past 127.
      const float code = scale > 0 ? std::clamp(std::nearbyint(value / scale), -127.0f, 127.0f) : 0.0f;
      out.codes.push_back(static_cast<std::int8_t>(code));
    }
  }
  return out;
}

bool is_int8_rows(const SafeTensors& file, const std::string& prefix) {
  const auto weight = file.tensors().find(prefix + ".weight");
  return (weight != file.tensors().end() && weight->second.dtype == DType::i8) || file.has(prefix + ".weight_scale");
}

Int8RowsView view_int8_rows(const SafeTensors& file, const std::string& prefix, int rows, int cols) {
  const std::string weight = prefix + ".weight", scale = prefix + ".weight_scale";
  const std::string_view codes = get(file, weight, {rows, cols}, DType::i8).bytes;
  CP_CHECK(codes.size() == area(rows, cols), weight);
  get(file, scale, {rows}, DType::f32);
  Int8RowsView out{{reinterpret_cast<const std::int8_t*>(codes.data()), codes.size()}, file.floats(scale, {rows})};
  if (std::memchr(codes.data(), 0x80, codes.size())) refuse(file, weight, "code -128 is outside -127 .. 127.");
  for (const float value : out.scales)
    if (!(value >= 0 && std::isfinite(value))) refuse(file, scale, fmt::format("{} is no scale.", value));
  return out;
}

Int8Rows read_int8_rows(const SafeTensors& file, const std::string& prefix, int rows, int cols) {
  Int8RowsView view = view_int8_rows(file, prefix, rows, cols);
  return {rows, cols, {view.codes.begin(), view.codes.end()}, std::move(view.scales)};
}

void want_int8_rows(TensorExpectation& expectation, const std::string& prefix, int rows, int cols) {
  expectation.want(prefix + ".weight", {rows, cols});
  expectation.want(prefix + ".weight_scale", {rows});
}

void append_int8_rows(std::vector<TensorToWrite>& out, const std::string& prefix, const Int8Rows& weight) {
  out.push_back({prefix + ".weight",
                 {weight.rows, weight.cols},
                 {},
                 DType::i8,
                 std::string(reinterpret_cast<const char*>(weight.codes.data()), weight.codes.size())});
  out.push_back({prefix + ".weight_scale", {weight.rows}, weight.scales, DType::f32});
}

}  // namespace cp
