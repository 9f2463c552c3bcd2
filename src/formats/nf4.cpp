// In:  weight matrices, as float32.
// Out: NF4 codes and scales in bitsandbytes' arithmetic, operation by operation, because codes at a border of two
//      values hang on the last bit.
// Not here: files (nf4_file.cpp).

#include "formats/nf4.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr float kTiny = 1e-38f;  // least scale that is inverted

// Quantiles of the normal distribution, scaled to [-1, 1], with an exact 0 (bitsandbytes, get_4bit_type).
constexpr std::array<float, 16> kNf4Map = {-1.0f,
                                           -0.6961928009986877f,
                                           -0.5250730514526367f,
                                           -0.39491748809814453f,
                                           -0.28444138169288635f,
                                           -0.18477343022823334f,
                                           -0.09105003625154495f,
                                           0.0f,
                                           0.07958029955625534f,
                                           0.16093020141124725f,
                                           0.24611230194568634f,
                                           0.33791524171829224f,
                                           0.44070982933044434f,
                                           0.5626170039176941f,
                                           0.7229568362236023f,
                                           1.0f};

constexpr std::array<float, 15> kBorders = [] {
  std::array<float, 15> borders{};
  for (std::size_t i = 0; i < borders.size(); ++i) borders[i] = (kNf4Map[i] + kNf4Map[i + 1]) / 2;
  return borders;
}();

// Number of borders strictly below x: the nearest code, and the lower one of a tie.
unsigned nearest_code(float x) {
  unsigned code = 0;
  for (const unsigned step : {8u, 4u, 2u, 1u}) code += x > kBorders[code + step - 1] ? step : 0u;
  return code;
}

float largest(std::span<const float> values) {
  float most = 0;
  for (const float value : values) most = std::max(most, std::fabs(value));
  return most;
}

// bitsandbytes multiplies whole blocks by the reciprocal of their scale and divides a short last block by it.
float quantize_block(std::span<const float> w, std::size_t first, std::vector<std::uint8_t>& codes) {
  const bool whole = w.size() == Nf4Weight::kBlock;
  const float most = largest(w), floored = std::max(most, kTiny), inverse = 1.0f / floored;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const float x = std::clamp(whole ? w[i] * inverse : w[i] / floored, -1.0f, 1.0f);
    const unsigned code = nearest_code(x);
    codes[(first + i) / 2] |= static_cast<std::uint8_t>((first + i) % 2 == 0 ? code << 4 : code);
  }
  return whole ? most : floored;
}

// ---- Second level ---------------------------------------------------------------------------------------------------

// The signed dynamic map (Dettmers, "8-bit approximations for parallelism", 2015): for each of seven powers of ten the
// midpoints of 1, 2, 4 ... 64 equal parts of [0.1, 1], with both signs; 0; and 1. torch's linspace counts from both
// ends and rounds once a value, hence fma.
std::vector<float> dynamic_map() {
  std::vector<float> map{0.0f, 1.0f};
  for (int exponent = 0; exponent < 7; ++exponent) {
    const int parts = 1 << exponent;
    const float step = (1.0f - 0.1f) / static_cast<float>(parts);
    const float power = static_cast<float>(std::pow(10.0, exponent - 6));
    const auto border = [&](int i) {
      return i < (parts + 1) / 2 ? std::fma(step, static_cast<float>(i), 0.1f)
                                 : std::fma(-step, static_cast<float>(parts - i), 1.0f);
    };
    for (int i = 0; i < parts; ++i) {
      const float middle = power * ((border(i) + border(i + 1)) / 2);
      map.push_back(middle);
      map.push_back(-middle);
    }
  }
  std::sort(map.begin(), map.end());
  return map;
}

// bitsandbytes looks codes up in a table of 65,536 points of [-1, 1]: each point has the code of the nearest value.
std::vector<std::uint8_t> dynamic_codes(const std::vector<float>& map) {
  std::vector<std::uint8_t> codes(65536);
  std::size_t code = 0;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const float x = -1.0f + 2.0f * static_cast<float>(i) / 65535.0f;
    while (code < 255 && 0.5f * (map[code] + map[code + 1]) < x) ++code;
    codes[i] = static_cast<std::uint8_t>(code);
  }
  return codes;
}

std::size_t table_index(float x) {
  if (std::isnan(x)) return 0;  // 0 times the infinite reciprocal of a subnormal; the x86 conversion gives 0
  return static_cast<std::size_t>((std::clamp(x, -1.0f, 1.0f) + 1.0f) * 0.5f * 65535.0f + 0.5f);
}

// Sums as torch does on a CPU (SumKernel.cpp): the vectors of LANES values are dealt to four sums, whose parts are
// gathered in up to four levels; what is left over comes last.
template <std::size_t LANES>
float torch_sum(std::span<const float> x) {
  using Row = std::array<float, 4 * LANES>;
  const std::size_t rows = x.size() / (4 * LANES), vectors = x.size() / LANES;
  const auto add = [](auto& to, const float* from, std::size_t n) {
    for (std::size_t k = 0; k < n; ++k) to[k] += from[k];
  };
  std::size_t log2 = 0;
  while (std::size_t{1} << log2 < rows) ++log2;
  const std::size_t power = std::max<std::size_t>(4, log2 / 4), step = std::size_t{1} << power;
  std::array<Row, 4> level{};
  std::size_t i = 0;
  while (i + step <= rows) {
    for (std::size_t end = i + step; i < end; ++i) add(level[0], &x[i * 4 * LANES], 4 * LANES);
    for (std::size_t j = 1; j < 4; ++j) {
      add(level[j], level[j - 1].data(), 4 * LANES);
      level[j - 1].fill(0);
      if ((i & (step - 1) << j * power) != 0) break;
    }
  }
  for (; i < rows; ++i) add(level[0], &x[i * 4 * LANES], 4 * LANES);
  for (std::size_t j = 1; j < 4; ++j) add(level[0], level[j].data(), 4 * LANES);
  Row& sum = level[0];
  for (std::size_t v = rows * 4; v < vectors; ++v) add(sum, &x[v * LANES], LANES);
  for (std::size_t part = 1; part < 4; ++part) add(sum, &sum[part * LANES], LANES);
  float total = 0;
  for (std::size_t k = vectors * LANES; k < x.size(); ++k) total += x[k];
  for (std::size_t lane = 0; lane < LANES; ++lane) total += sum[lane];
  return total;
}

float torch_mean(std::span<const float> x) {
  return (x.size() < 8 ? torch_sum<1>(x) : torch_sum<8>(x)) / static_cast<float>(x.size());
}

void quantize_scales(Nf4Weight& weight, const std::string& where) {
  static const std::vector<float> kMap = dynamic_map();
  static const std::vector<std::uint8_t> kCodes = dynamic_codes(kMap);
  weight.nested_map = kMap;
  weight.offset = torch_mean(weight.absmax);
  if (!std::isfinite(weight.offset))
    throw UserError(ErrorKind::numeric, where, "the mean of the largest values of all blocks overflows float32.",
                    "Weights of this size cannot be quantised twice.");
  std::vector<float> rest = std::move(weight.absmax);
  weight.absmax.clear();
  for (float& value : rest) value -= weight.offset;
  weight.nested.resize(rest.size());
  for (std::size_t first = 0; first < rest.size(); first += Nf4Weight::kNestedBlock) {
    const auto block = std::span(rest).subspan(first, std::min(Nf4Weight::kNestedBlock, rest.size() - first));
    const float most = largest(block), inverse = 1.0f / most;
    weight.nested_absmax.push_back(most);
    if (most == 0) continue;  // codes stay 0: the value is 0 whatever the code
    for (std::size_t i = 0; i < block.size(); ++i) weight.nested[first + i] = kCodes[table_index(block[i] * inverse)];
  }
}

}  // namespace

std::vector<float> Nf4Weight::scales() const {
  if (!double_quantised()) return absmax;
  std::vector<float> out(nested.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float difference = nested_map[nested[i]] * nested_absmax[i / kNestedBlock];
    out[i] = difference + offset;
  }
  return out;
}

Nf4Weight quantize_nf4(std::span<const float> w, int rows, int cols, bool double_quant, DType recorded,
                       const std::string& where) {
  CP_CHECK(rows > 0 && cols > 0, fmt::format("{} x {} weights", rows, cols));
  CP_CHECK(recorded == DType::f32 || recorded == DType::f16 || recorded == DType::bf16, dtype_name(recorded));
  Nf4Weight out;
  out.rows = rows;
  out.cols = cols;
  out.dtype = recorded;
  out.map = kNf4Map;
  CP_CHECK(w.size() == out.size(), fmt::format("{} values for {} x {}", w.size(), rows, cols));
  const auto odd = std::find_if(w.begin(), w.end(), [](float value) { return !std::isfinite(value); });
  if (odd != w.end())
    throw UserError(ErrorKind::numeric, where, fmt::format("value {} is not finite ({}).", odd - w.begin(), *odd),
                    "The weights are damaged; fetch or train them again.");
  out.codes.resize((w.size() + 1) / 2);
  out.absmax.reserve(out.blocks());
  for (std::size_t first = 0; first < w.size(); first += Nf4Weight::kBlock)
    out.absmax.push_back(
        quantize_block(w.subspan(first, std::min(Nf4Weight::kBlock, w.size() - first)), first, out.codes));
  if (w.size() % 2 != 0) out.codes.back() |= static_cast<std::uint8_t>(nearest_code(0));  // padded with a 0
  if (double_quant) quantize_scales(out, where);
  return out;
}

void dequantize_nf4(const Nf4Weight& weight, std::span<float> out) {
  CP_CHECK(out.size() == weight.size(), fmt::format("{} values for {} x {}", out.size(), weight.rows, weight.cols));
  const std::vector<float> scales = weight.scales();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned pair = weight.codes[i / 2];
    const float value = weight.map[i % 2 == 0 ? pair >> 4 : pair & 15u] * scales[i / Nf4Weight::kBlock];
    out[i] = weight.dtype == DType::f16    ? half_to_float(float_to_half(value))
             : weight.dtype == DType::bf16 ? bfloat_to_float(float_to_bfloat(value))
                                           : value;
  }
}

}  // namespace cp
