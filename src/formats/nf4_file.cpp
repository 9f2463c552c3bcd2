// In:  tensors of safetensors files under the names of bitsandbytes.
// Out: checked NF4 weights, and the tensors to write, down to the bytes of the JSON text.
// Not here: the arithmetic (nf4.cpp).

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "formats/json_fields.h"
#include "formats/nf4.h"

namespace cp {
namespace {

constexpr const char* kState = ".quant_state.bitsandbytes__nf4";
constexpr std::size_t kMaxStateBytes = 4096;

[[noreturn]] void refuse(const SafeTensors& file, const std::string& tensor, const std::string& what) {
  throw UserError(ErrorKind::model, file.where(), fmt::format("tensor \"{}\": {}", tensor, what),
                  "Wanted a weight as bitsandbytes stores NF4; quantise the model again.");
}

std::int64_t ceil_div(std::size_t n, std::size_t by) { return static_cast<std::int64_t>((n + by - 1) / by); }

struct NamedShape {
  std::string suffix;
  std::vector<std::int64_t> shape;
  DType dtype;
};

// The tensors of a weight of so many elements, by what follows "prefix.weight". One list for readers and writers.
std::vector<NamedShape> layout(std::size_t size, bool double_quantised) {
  const std::int64_t blocks = ceil_div(size, Nf4Weight::kBlock);
  std::vector<NamedShape> out{{"", {ceil_div(size, 2), 1}, DType::u8},
                              {".absmax", {blocks}, double_quantised ? DType::u8 : DType::f32},
                              {".quant_map", {16}, DType::f32},
                              {kState, {-1}, DType::u8}};
  if (double_quantised) {
    out.push_back(
        {".nested_absmax", {ceil_div(static_cast<std::size_t>(blocks), Nf4Weight::kNestedBlock)}, DType::f32});
    out.push_back({".nested_quant_map", {256}, DType::f32});
  }
  return out;
}

// Names in the file that begin with "prefix.weight.".
std::vector<std::string> companions(const SafeTensors& file, const std::string& prefix) {
  const std::string start = prefix + ".weight.";
  std::vector<std::string> names;
  for (auto it = file.tensors().lower_bound(start); it != file.tensors().end() && it->first.starts_with(start); ++it)
    names.push_back(it->first);
  return names;
}

bool has_second_level(const SafeTensors& file, const std::string& prefix) {
  return file.has(prefix + ".weight.nested_absmax") || file.has(prefix + ".weight.nested_quant_map");
}

std::size_t checked_size(int rows, int cols) {
  CP_CHECK(rows > 0 && cols > 0, fmt::format("{} x {} weights", rows, cols));
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
}

// Every tensor there, of the right dtype and shape; nothing else beside them.
void check_tensors(const SafeTensors& file, const std::string& prefix, std::size_t size, bool double_quantised) {
  const std::string weight = prefix + ".weight";
  const std::vector<NamedShape> wanted = layout(size, double_quantised);
  for (const std::string& name : companions(file, prefix)) {
    const std::string suffix = name.substr(weight.size());
    if (std::any_of(wanted.begin(), wanted.end(), [&](const NamedShape& w) { return w.suffix == suffix; })) continue;
    if (suffix.starts_with(".quant_state."))
      refuse(file, name, "only one quantisation state is read, \"quant_state.bitsandbytes__nf4\" (fp4 is not).");
    refuse(file, name, "does not belong to an NF4 weight.");
  }
  for (const NamedShape& w : wanted) {
    const TensorView& view =
        file.get(weight + w.suffix, w.suffix.empty() ? std::vector<std::int64_t>{-1, -1} : w.shape);
    if (view.dtype != w.dtype)
      refuse(file, weight + w.suffix,
             fmt::format("wanted {}, found {}{}.", dtype_name(w.dtype), dtype_name(view.dtype),
                         w.suffix.empty() ? " (other quant_storage is not supported)" : ""));
    file.get(weight + w.suffix, w.shape);
  }
}

std::vector<std::uint8_t> bytes_of(const SafeTensors& file, const std::string& name) {
  const std::string_view bytes = file.tensors().at(name).bytes;
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {first, first + bytes.size()};
}

std::vector<float> finite_floats(const SafeTensors& file, const std::string& name, float limit) {
  std::vector<float> out = file.floats(name, {-1});
  for (const float value : out)
    if (!(std::fabs(value) <= limit)) refuse(file, name, fmt::format("{} is no value of a scale or a map.", value));
  return out;
}

// Fields of the state, in the order of bitsandbytes' QuantState.as_dict.
void read_state(const SafeTensors& file, const std::string& prefix, Nf4Weight& out, bool double_quantised) {
  const std::string name = prefix + ".weight" + kState;
  const std::string_view text = file.get(name, {-1}).bytes;
  if (text.size() > kMaxStateBytes) refuse(file, name, fmt::format("{} bytes of JSON are too many.", text.size()));
  const std::string where = fmt::format("{}, tensor \"{}\"", file.where(), name);
  const Json json = parse_json(text, where, ErrorKind::model);
  JsonFields fields(json, where);
  fields.choice("quant_type", {"nf4"});
  fields.whole("blocksize", Nf4Weight::kBlock, Nf4Weight::kBlock);
  const std::string dtype = fields.choice("dtype", {"float32", "float16", "bfloat16"});
  out.dtype = dtype == "float32" ? DType::f32 : dtype == "float16" ? DType::f16 : DType::bf16;
  if (fields.whole_list("shape", 1, std::numeric_limits<int>::max()) != std::vector<int>{out.rows, out.cols})
    fields.refuse("shape", fmt::format("wanted [{}, {}], found {}", out.rows, out.cols, fields.any("shape").dump()));
  if (double_quantised) {
    fields.whole("nested_blocksize", Nf4Weight::kNestedBlock, Nf4Weight::kNestedBlock);
    fields.choice("nested_dtype", {"float32"});
    const double most = std::numeric_limits<float>::max();
    out.offset = static_cast<float>(fields.number("nested_offset", -most, most));
  }
  fields.finish();
}

// As Python's json.dumps writes a float: the shortest digits that give the number again, a point or an exponent.
std::string python_float(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string state_text(const Nf4Weight& w) {
  const char* dtype = w.dtype == DType::f32 ? "float32" : w.dtype == DType::f16 ? "float16" : "bfloat16";
  std::string text = fmt::format(R"({{"quant_type": "nf4", "blocksize": {}, "dtype": "{}", "shape": [{}, {}])",
                                 Nf4Weight::kBlock, dtype, w.rows, w.cols);
  if (w.double_quantised())
    text += fmt::format(R"(, "nested_blocksize": {}, "nested_dtype": "float32", "nested_offset": {})",
                        Nf4Weight::kNestedBlock, python_float(w.offset));
  return text + "}";
}

template <class Values>
std::string raw(const Values& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
}

}  // namespace

bool is_nf4(const SafeTensors& file, const std::string& prefix) {
  const auto weight = file.tensors().find(prefix + ".weight");
  return (weight != file.tensors().end() && weight->second.dtype == DType::u8) || !companions(file, prefix).empty();
}

Nf4Weight read_nf4(const SafeTensors& file, const std::string& prefix, int rows, int cols) {
  const bool twice = has_second_level(file, prefix);
  check_tensors(file, prefix, checked_size(rows, cols), twice);
  Nf4Weight out;
  out.rows = rows;
  out.cols = cols;
  read_state(file, prefix, out, twice);
  const std::string weight = prefix + ".weight";
  const float most = std::numeric_limits<float>::max();
  out.codes = bytes_of(file, weight);
  const std::vector<float> map = finite_floats(file, weight + ".quant_map", 1.0f);
  std::copy(map.begin(), map.end(), out.map.begin());
  if (!twice) {
    out.absmax = finite_floats(file, weight + ".absmax", most);
    return out;
  }
  out.nested = bytes_of(file, weight + ".absmax");
  out.nested_absmax = finite_floats(file, weight + ".nested_absmax", most);
  out.nested_map = finite_floats(file, weight + ".nested_quant_map", 1.0f);
  for (const float scale : out.scales())
    if (!std::isfinite(scale)) refuse(file, weight + ".nested_absmax", "a scale overflows.");
  return out;
}

void want_nf4(TensorExpectation& expectation, const SafeTensors& file, const std::string& prefix, int rows, int cols) {
  for (const NamedShape& w : layout(checked_size(rows, cols), has_second_level(file, prefix)))
    expectation.want(prefix + ".weight" + w.suffix, w.shape);
}

void append_nf4(std::vector<TensorToWrite>& out, const std::string& prefix, const Nf4Weight& weight) {
  const bool twice = weight.double_quantised();
  const std::string state = state_text(weight);
  for (NamedShape& w : layout(weight.size(), twice)) {
    TensorToWrite tensor{prefix + ".weight" + w.suffix, std::move(w.shape), {}, w.dtype, {}};
    if (w.suffix.empty())
      tensor.bytes = raw(weight.codes);
    else if (w.suffix == ".absmax")
      tensor.bytes = twice ? raw(weight.nested) : raw(weight.absmax);
    else if (w.suffix == ".quant_map")
      tensor.bytes = raw(weight.map);
    else if (w.suffix == ".nested_absmax")
      tensor.bytes = raw(weight.nested_absmax);
    else if (w.suffix == ".nested_quant_map")
      tensor.bytes = raw(weight.nested_map);
    else {
      tensor.shape = {static_cast<std::int64_t>(state.size())};
      tensor.bytes = state;
    }
    out.push_back(std::move(tensor));
  }
}

}  // namespace cp
