// In:  elements of safetensors files.
// Out: their sizes and names; float32 from and to IEEE binary16 and bfloat16; whether they are finite.
// Not here: files (safetensors.cpp, safetensors_write.cpp).

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "core/error.h"
#include "formats/safetensors.h"

namespace cp {

static_assert(std::endian::native == std::endian::little, "safetensors bytes are used without swapping");

std::size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
      return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      return 1;
  }
  CP_CHECK(false, fmt::format("dtype {}", static_cast<int>(dtype)));
}

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return "F64";
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::i64:
      return "I64";
    case DType::i32:
      return "I32";
    case DType::i16:
      return "I16";
    case DType::i8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::boolean:
      return "BOOL";
  }
  CP_CHECK(false, fmt::format("dtype {}", static_cast<int>(dtype)));
}

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  if (magnitude >= 0x400u) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));  // bias 127 - 15
  const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(subnormal));
}

std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t half = 0;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u | (magnitude >> 13 & 0x3ffu);  // quiet NaN, the upper bits of its payload
  } else if (magnitude >= 0x477ff000u) {
    half = 0x7c00u;  // from 65520 on, the midpoint between the largest half and the next power of two
  } else if (magnitude >= 0x38800000u) {
    const std::uint32_t rebased = magnitude - (112u << 23);
    half = (rebased + 0xfffu + (rebased >> 13 & 1u)) >> 13;  // a carry into the exponent is right
  } else if (magnitude >= 0x33000000u) {
    // Subnormal half: the significand in units of 2^-24.
    const std::uint32_t shift = 126u - (magnitude >> 23);
    const std::uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
    const std::uint32_t rest = significand & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
    half = significand >> shift;
    if (rest > tie || (rest == tie && (half & 1u) != 0)) ++half;
  }
  return static_cast<std::uint16_t>(sign | half);
}

float bfloat_to_float(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::uint16_t float_to_bfloat(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);  // quiet NaN
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

namespace {

template <class Stored, class Convert>
void convert_all(const TensorView& view, std::vector<float>& out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, view.bytes.data() + i * sizeof(Stored), sizeof(Stored));  // the bytes may be unaligned
    out[i] = convert(stored);
  }
}

// NaN and infinities are the values whose exponent's bits are all set.
template <class Bits>
bool has_exponent(std::string_view bytes, Bits exponent) {
  bool found = false;
  for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
    Bits stored;
    std::memcpy(&stored, bytes.data() + i, sizeof(Bits));
    found |= (stored & exponent) == exponent;
  }
  return found;
}

}  // namespace

bool is_finite(const TensorView& view) {
  switch (view.dtype) {
    case DType::f64: {
      std::vector<float> values(static_cast<std::size_t>(view.size()));
      convert_all<double>(view, values, [](double x) { return static_cast<float>(x); });
      return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    }
    case DType::f32:
      return !has_exponent<std::uint32_t>(view.bytes, 0x7f800000u);
    case DType::f16:
      return !has_exponent<std::uint16_t>(view.bytes, 0x7c00u);
    case DType::bf16:
      return !has_exponent<std::uint16_t>(view.bytes, 0x7f80u);
    default:
      return true;
  }
}

void check_all_finite(const SafeTensors& file) {
  std::string bad;
  for (const auto& [name, view] : file.tensors())
    if (!is_finite(view)) bad += "\n  " + name;
  if (!bad.empty())
    throw UserError(ErrorKind::model, file.where(), "values that are not finite in:" + bad + "\n",
                    "The weights are damaged or the training diverged: take another checkpoint.");
}

std::vector<float> SafeTensors::floats(const std::string& name, const std::vector<std::int64_t>& shape) const {
  return floats(name, 0, get(name, shape).size());
}

std::vector<float> SafeTensors::floats(const std::string& name, std::int64_t first, std::int64_t count) const {
  TensorView view = get(name);
  CP_CHECK(first >= 0 && count >= 0 && first <= view.size() - count, "SafeTensors::floats: no such elements");
  const std::size_t width = dtype_size(view.dtype);
  view.bytes = view.bytes.substr(static_cast<std::size_t>(first) * width, static_cast<std::size_t>(count) * width);
  std::vector<float> out(static_cast<std::size_t>(count));
  switch (view.dtype) {
    case DType::f64:
      convert_all<double>(view, out, [](double x) { return static_cast<float>(x); });
      return out;
    case DType::f32:
      if (!out.empty()) std::memcpy(out.data(), view.bytes.data(), view.bytes.size());
      return out;
    case DType::f16:
      convert_all<std::uint16_t>(view, out, half_to_float);
      return out;
    case DType::bf16:
      convert_all<std::uint16_t>(view, out, bfloat_to_float);
      return out;
    default:
      throw UserError(
          ErrorKind::model, where_,
          fmt::format("tensor \"{}\": wanted floating-point numbers, found {}.", name, dtype_name(view.dtype)), "");
  }
}

}  // namespace cp
