// In:  float32 values or bytes, with names, shapes and the dtype to store.
// Out: a safetensors file, byte for byte as the reference writer (safetensors 0.8.0) lays it out.
// Not here: reading (safetensors.cpp).

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "core/file.h"
#include "core/json.h"
#include "formats/safetensors.h"

namespace cp {
namespace {

constexpr std::size_t kAlignment = 8;

// The reference sorts by its enumeration of dtypes, largest first.
int dtype_rank(DType dtype) {
  constexpr DType kOrder[] = {DType::i64, DType::f64, DType::f32, DType::i32, DType::bf16,
                              DType::f16, DType::i16, DType::i8,  DType::u8,  DType::boolean};
  return static_cast<int>(std::find(std::begin(kOrder), std::end(kOrder), dtype) - std::begin(kOrder));
}

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16; }

std::size_t bytes_in_file(const TensorToWrite& tensor) {
  return tensor.bytes.empty() ? tensor.values.size() * dtype_size(tensor.dtype) : tensor.bytes.size();
}

std::vector<const TensorToWrite*> in_file_order(const std::vector<TensorToWrite>& tensors) {
  std::vector<const TensorToWrite*> order;
  std::set<std::string> names{"__metadata__"};  // reserved
  for (const TensorToWrite& tensor : tensors) {
    CP_CHECK(names.insert(tensor.name).second, fmt::format("tensor name \"{}\" twice or reserved", tensor.name));
    CP_CHECK(tensor.values.empty() || is_float(tensor.dtype),
             fmt::format("tensor \"{}\": cannot write floats as {}", tensor.name, dtype_name(tensor.dtype)));
    CP_CHECK(tensor.values.empty() || tensor.bytes.empty(), tensor.name + ": both values and bytes");
    std::size_t size = dtype_size(tensor.dtype);
    for (const std::int64_t extent : tensor.shape) {
      CP_CHECK(extent >= 0, tensor.name);
      size *= static_cast<std::size_t>(extent);
    }
    CP_CHECK(size == bytes_in_file(tensor),
             fmt::format("tensor \"{}\": {} bytes for a shape of {}", tensor.name, bytes_in_file(tensor), size));
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    return std::pair(dtype_rank(a->dtype), a->name) < std::pair(dtype_rank(b->dtype), b->name);
  });
  return order;
}

std::string encode_header(const std::vector<const TensorToWrite*>& order,
                          const std::map<std::string, std::string>& metadata) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t begin = 0;
  for (const TensorToWrite* tensor : order) {
    const std::size_t end = begin + bytes_in_file(*tensor);
    OrderedJson& item = header[tensor->name];
    item["dtype"] = dtype_name(tensor->dtype);
    item["shape"] = tensor->shape;
    item["data_offsets"] = {begin, end};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');  // data begins aligned
  std::string out;
  for (int byte = 0; byte < 8; ++byte) out += static_cast<char>(text.size() >> (8 * byte) & 0xffu);
  return out + text;
}

std::string_view bytes_of(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// The file in parts. Bytes and float32 values are not copied; `storage` keeps the others.
std::vector<std::string_view> encode_parts(const std::vector<TensorToWrite>& tensors,
                                           const std::map<std::string, std::string>& metadata,
                                           std::vector<std::string>& storage) {
  const auto order = in_file_order(tensors);
  storage.reserve(order.size() + 1);  // no reallocation: the views point into it
  storage.push_back(encode_header(order, metadata));
  std::vector<std::string_view> parts{storage.back()};
  for (const TensorToWrite* tensor : order) {
    if (tensor->values.empty()) {
      parts.emplace_back(tensor->bytes);
    } else if (tensor->dtype == DType::f32) {
      parts.push_back(bytes_of(tensor->values));
    } else {
      storage.push_back(encode_floats(tensor->values, tensor->dtype));
      parts.emplace_back(storage.back());
    }
  }
  return parts;
}

}  // namespace

std::string encode_floats(std::span<const float> values, DType dtype) {
  CP_CHECK(is_float(dtype), fmt::format("cannot write floats as {}", dtype_name(dtype)));
  if (dtype == DType::f32) return std::string(bytes_of(values));
  std::string bytes;
  bytes.reserve(values.size() * 2);
  for (const float value : values) {
    const std::uint16_t bits = dtype == DType::f16 ? float_to_half(value) : float_to_bfloat(value);
    bytes += static_cast<char>(bits & 0xffu);
    bytes += static_cast<char>(bits >> 8);
  }
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> storage;
  write_file_durable(path, encode_parts(tensors, metadata, storage));
}

std::string encode_safetensors(const std::vector<TensorToWrite>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> storage;
  std::string bytes;
  for (const std::string_view part : encode_parts(tensors, metadata, storage)) bytes += part;
  return bytes;
}

}  // namespace cp
