// In:  float32 values with names, shapes and the dtype to store.
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

// The reference sorts by its enumeration of dtypes, largest first: F32 before BF16 before F16.
int dtype_rank(DType dtype) { return dtype == DType::f32 ? 0 : dtype == DType::bf16 ? 1 : 2; }

std::vector<const TensorToWrite*> in_file_order(const std::vector<TensorToWrite>& tensors) {
  std::vector<const TensorToWrite*> order;
  std::set<std::string> names{"__metadata__"};  // reserved
  for (const TensorToWrite& tensor : tensors) {
    CP_CHECK(names.insert(tensor.name).second, fmt::format("tensor name \"{}\" twice or reserved", tensor.name));
    CP_CHECK(tensor.dtype == DType::f32 || tensor.dtype == DType::bf16 || tensor.dtype == DType::f16,
             fmt::format("tensor \"{}\": cannot write {}", tensor.name, dtype_name(tensor.dtype)));
    std::size_t size = 1;
    for (const std::int64_t extent : tensor.shape) {
      CP_CHECK(extent >= 0, tensor.name);
      size *= static_cast<std::size_t>(extent);
    }
    CP_CHECK(size == tensor.values.size(),
             fmt::format("tensor \"{}\": {} values for a shape of {}", tensor.name, tensor.values.size(), size));
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
    const std::size_t end = begin + tensor->values.size() * dtype_size(tensor->dtype);
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

// The file in parts. float32 tensors are not copied; `storage` keeps the others.
std::vector<std::string_view> encode_parts(const std::vector<TensorToWrite>& tensors,
                                           const std::map<std::string, std::string>& metadata,
                                           std::vector<std::string>& storage) {
  const auto order = in_file_order(tensors);
  storage.reserve(order.size() + 1);  // no reallocation: the views point into it
  storage.push_back(encode_header(order, metadata));
  std::vector<std::string_view> parts{storage.back()};
  for (const TensorToWrite* tensor : order) {
    if (tensor->dtype == DType::f32) {
      parts.emplace_back(reinterpret_cast<const char*>(tensor->values.data()), tensor->values.size() * sizeof(float));
      continue;
    }
    std::string bytes;
    bytes.reserve(tensor->values.size() * 2);
    for (const float value : tensor->values) {
      const std::uint16_t bits = tensor->dtype == DType::f16 ? float_to_half(value) : float_to_bfloat(value);
      bytes += static_cast<char>(bits & 0xffu);
      bytes += static_cast<char>(bits >> 8);
    }
    storage.push_back(std::move(bytes));
    parts.push_back(storage.back());
  }
  return parts;
}

}  // namespace

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
