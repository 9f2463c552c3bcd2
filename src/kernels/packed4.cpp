#include "kernels/packed4.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/half.h"
#include "kernels/packed4_group.h"

namespace cp {

namespace {

constexpr std::size_t kGroup = Packed4Shape::kGroup, kBlock = Packed4Shape::kBlock,
                      kBlockBytes = Packed4Shape::kBlockBytes;

// The high nibble of code + 128 for the middle of its 16 codes; and for its first code, to which the low one is added.
constexpr std::array<std::int8_t, 16> kMiddles = [] {
  std::array<std::int8_t, 16> table{};
  for (int i = 0; i < 16; ++i) table[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(16 * i - 120);
  return table;
}();
constexpr std::array<std::int8_t, 16> kFirsts = [] {
  std::array<std::int8_t, 16> table{};
  for (int i = 0; i < 16; ++i) table[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(16 * i - 128);
  return table;
}();

// Where the nibble of column k of lane n stands within a group's codes: its byte, and whether it is the high one.
struct Place {
  std::size_t byte;
  bool high;
};
Place place(std::size_t n, std::size_t k) {
  const std::size_t in_block = k % kBlock;
  return {k / kBlock * kBlockBytes + in_block / 8 * kGroup * 4 + n * 4 + in_block % 4, in_block % 8 >= 4};
}

unsigned nibble(const std::uint8_t* codes, Place at) { return at.high ? codes[at.byte] >> 4 : codes[at.byte] & 15u; }

// The scale of at most 127 codes for which the map's rounded values lie nearest. NF4's values are about equally likely.
void round_map(Nf4Packed& w) {
  float most = 0;
  for (const float v : w.map) most = std::max(most, std::fabs(v));
  if (!(most > 0)) return;
  double best = -1;
  for (double codes = 90; codes <= 127; codes += 0.01) {
    double error = 0;
    for (const float v : w.map) {
      const double x = v / static_cast<double>(most) * codes, off = (x - std::nearbyint(x)) / codes;
      error += off * off;
    }
    if (best >= 0 && error >= best) continue;
    best = error;
    w.step = static_cast<float>(most / codes);
    for (std::size_t i = 0; i < 16; ++i)
      w.table[i] = static_cast<std::int8_t>(std::nearbyint(w.map[i] / static_cast<double>(most) * codes));
  }
}

using GroupFunction = void (*)(const Packed4Group&);

GroupFunction group_function() {
  switch (int_dot()) {
    case IntDot::avx512_vnni:
      return packed4_group_avx512;
    case IntDot::avx2_vnni:
      return packed4_group_avx2_vnni;
    case IntDot::avx2:
      return packed4_group_avx2;
    case IntDot::scalar:
      break;
  }
  return packed4_group_scalar;
}

// Groups first .. last - 1 by all rows of `a`; store(row, group, sums (16)) takes them. A group's codes come from
// memory once, however many rows there are.
template <class Fill, class Store>
void for_groups(const Packed4Shape& w, const Activations8& a, std::size_t first, std::size_t last, const Fill& fill,
                const Store& store) {
  CP_CHECK(a.in == w.in, "packed4: the activations are not K wide");
  CP_CHECK(first <= last && last <= w.groups(), "packed4: no such groups");
  const GroupFunction compute = group_function();
  const std::size_t blocks = w.blocks();
  alignas(64) float sums[kPacked4Rows * kGroup];
  for (std::size_t g = first; g < last; ++g) {
    Packed4Group job{};
    job.blocks = blocks;
    job.sums = sums;
    fill(g, job);
    for (int row = 0; row < a.rows; row += kPacked4Rows) {
      const std::size_t at = static_cast<std::size_t>(row) * blocks;
      job.rows = std::min(kPacked4Rows, a.rows - row);
      job.a = a.codes.data() + at * kBlock;
      job.a_scales = a.scales.data() + at;
      job.a_offsets = a.offsets.data() + at;
      compute(job);
      for (int r = 0; r < job.rows; ++r)
        store(static_cast<std::size_t>(row + r), g, sums + static_cast<std::size_t>(r) * kGroup);
    }
  }
}

std::size_t lanes_of(const Packed4Shape& w, std::size_t group) {
  return std::min(kGroup, static_cast<std::size_t>(w.out) - group * kGroup);
}

}  // namespace

Nf4Packed pack_nf4(const Nf4Matrix& w, WeightArena& arena) {
  CP_CHECK(w.in % Nf4Matrix::kBlock == 0, "pack_nf4: blocks would cross rows");
  Nf4Packed out;
  out.out = w.out;
  out.in = w.in;
  out.map = w.map;
  round_map(out);
  out.bytes = arena.take(out.groups() * out.stride());
  const float largest = w.scales.empty() ? 0.f : *std::max_element(w.scales.begin(), w.scales.end());
  const float smallest = w.scales.empty() ? 0.f : *std::min_element(w.scales.begin(), w.scales.end());
  out.unit = std::max(largest, -smallest);
  if (!(out.unit > 0)) out.unit = 1;
  const std::size_t blocks = out.blocks();
  for (std::size_t n = 0; n < static_cast<std::size_t>(w.out); ++n) {
    std::uint8_t* const group = out.bytes.data() + n / kGroup * out.stride();
    std::uint8_t* const scales = group + blocks * kBlockBytes;
    const std::uint8_t* from = w.codes.data() + n * blocks * (kBlock / 2);
    for (std::size_t b = 0; b < blocks; ++b, from += kBlock / 2) {
      std::uint8_t* to = group + b * kBlockBytes + n % kGroup * 4;
      for (std::size_t t = 0; t < 8; ++t, to += 4 * kGroup) {  // columns 8t .. 8t+7: four bytes, two columns each
        const std::uint8_t* pair = from + 4 * t;
        to[0] = static_cast<std::uint8_t>(pair[0] >> 4 | (pair[2] & 0xf0));
        to[1] = static_cast<std::uint8_t>((pair[0] & 15) | (pair[2] & 15) << 4);
        to[2] = static_cast<std::uint8_t>(pair[1] >> 4 | (pair[3] & 0xf0));
        to[3] = static_cast<std::uint8_t>((pair[1] & 15) | (pair[3] & 15) << 4);
      }
      const std::uint16_t half = narrow_half(w.scales[n * blocks + b] / out.unit);
      std::memcpy(scales + 2 * (b * kGroup + n % kGroup), &half, sizeof half);
    }
  }
  return out;
}

Int8Packed empty_int8(int out, int in, WeightArena& arena) {
  CP_CHECK(out > 0 && in > 0, "empty_int8: no weights");
  Int8Packed w;
  w.out = out;
  w.in = in;
  w.high = arena.take(w.groups() * w.stride());
  w.low = arena.take(w.groups() * w.stride());
  w.scales.resize(static_cast<std::size_t>(out));
  return w;
}

void set_int8_row(Int8Packed& w, int n, std::span<const std::int8_t> codes, float scale) {
  CP_CHECK(n >= 0 && n < w.out && codes.size() == static_cast<std::size_t>(w.in), "set_int8_row: no such row");
  const std::size_t row = static_cast<std::size_t>(n);
  std::uint8_t* high = w.high.data() + row / kGroup * w.stride() + row % kGroup * 4;
  std::uint8_t* low = w.low.data() + row / kGroup * w.stride() + row % kGroup * 4;
  const auto code = [&](std::size_t k) {
    return k < codes.size() ? static_cast<unsigned>(static_cast<std::uint8_t>(codes[k] ^ -128)) : 0u;  // + 128
  };
  for (std::size_t k = 0; k < codes.size(); k += 8, high += 4 * kGroup, low += 4 * kGroup)
    for (std::size_t j = 0; j < 4; ++j) {
      const unsigned first = code(k + j), second = code(k + 4 + j);
      high[j] = static_cast<std::uint8_t>(first >> 4 | (second & 0xf0u));
      low[j] = static_cast<std::uint8_t>((first & 15u) | (second & 15u) << 4);
    }
  w.scales[row] = scale;
}

Int8Packed pack_int8(const Int8Matrix& w, WeightArena& arena) {
  Int8Packed out = empty_int8(w.out, w.in, arena);
  for (int n = 0; n < w.out; ++n)
    set_int8_row(out, n,
                 std::span(w.codes).subspan(static_cast<std::size_t>(n) * static_cast<std::size_t>(w.in),
                                            static_cast<std::size_t>(w.in)),
                 w.scales[static_cast<std::size_t>(n)]);
  return out;
}

void int8_packed_row(const Int8Packed& w, int n, std::span<float> row) {
  CP_CHECK(n >= 0 && n < w.out && row.size() == static_cast<std::size_t>(w.in), "int8_packed_row: no such row");
  const std::size_t index = static_cast<std::size_t>(n);
  const std::uint8_t* const high = w.high.data() + index / kGroup * w.stride();
  const std::uint8_t* const low = w.low.data() + index / kGroup * w.stride();
  for (std::size_t k = 0; k < row.size(); ++k) {
    const Place at = place(index % kGroup, k);
    const int code = static_cast<int>(nibble(high, at) << 4 | nibble(low, at)) - 128;
    row[k] = static_cast<float>(code) * w.scales[index];
  }
}

void nf4_packed_product(const Nf4Packed& w, const Activations8& a, std::size_t first, std::size_t last,
                        const float* bias, float* c, std::size_t ldc) {
  const float unit = w.unit * w.step;
  for_groups(
      w, a, first, last,
      [&](std::size_t g, Packed4Group& job) {
        job.codes = w.group(g);
        job.scales = reinterpret_cast<const std::uint16_t*>(job.codes + w.blocks() * kBlockBytes);
        job.table = w.table.data();
      },
      [&](std::size_t row, std::size_t g, const float* sums) {
        float* to = c + row * ldc + g * kGroup;
        for (std::size_t n = 0; n < lanes_of(w, g); ++n) to[n] = sums[n] * unit + (bias ? bias[g * kGroup + n] : 0.f);
      });
}

namespace {

void int8_columns(const Int8Packed& w, const Activations8& a, std::size_t first, std::size_t last, bool both,
                  const float* bias, float* c, std::size_t ldc) {
  for_groups(
      w, a, first, last,
      [&](std::size_t g, Packed4Group& job) {
        job.codes = w.high.data() + g * w.stride();
        job.low = both ? w.low.data() + g * w.stride() : nullptr;
        job.table = (both ? kFirsts : kMiddles).data();
      },
      [&](std::size_t row, std::size_t g, const float* sums) {
        float* to = c + row * ldc + g * kGroup;
        const float* scales = w.scales.data() + g * kGroup;
        for (std::size_t n = 0; n < lanes_of(w, g); ++n)
          to[n] = sums[n] * scales[n] + (bias ? bias[g * kGroup + n] : 0.f);
      });
}

}  // namespace

void int8_packed_product(const Int8Packed& w, const Activations8& a, std::size_t first, std::size_t last,
                         const float* bias, float* c, std::size_t ldc) {
  int8_columns(w, a, first, last, true, bias, c, ldc);
}

void int8_packed_estimate(const Int8Packed& w, const Activations8& a, std::size_t first, std::size_t last, float* c,
                          std::size_t ldc) {
  int8_columns(w, a, first, last, false, nullptr, c, ldc);
}

double int8_estimate_deviation(const Activations8& a, int i) {
  const std::size_t blocks = static_cast<std::size_t>(a.blocks()), first = static_cast<std::size_t>(i) * blocks;
  double square = 0;
  for (std::size_t b = first; b < first + blocks; ++b) {
    std::int64_t sum = 0;
    for (std::size_t k = b * kBlock; k < (b + 1) * kBlock; ++k) sum += a.codes[k] * a.codes[k];
    square += static_cast<double>(sum) * a.scales[b] * a.scales[b];
  }
  return std::sqrt(square * 255 / 12);  // of a number from 0 to 15, all equally likely
}

void packed4_group_scalar(const Packed4Group& g) {
  for (std::size_t r = 0; r < static_cast<std::size_t>(g.rows); ++r)
    for (std::size_t n = 0; n < kGroup; ++n) {
      float sum = 0;
      for (std::size_t b = 0; b < g.blocks; ++b) {
        const std::int8_t* a = g.a + (r * g.blocks + b) * kBlock;
        std::int32_t whole = 0;
        for (std::size_t k = 0; k < kBlock; ++k) {
          Place at = place(n, k);
          at.byte += b * kBlockBytes;
          const int w = g.table[nibble(g.codes, at)] + (g.low ? static_cast<int>(nibble(g.low, at)) : 0);
          whole += w * a[k];
        }
        float scale = g.a_scales[r * g.blocks + b];
        if (g.scales) {
          float of_weights;
          widen_half(g.scales + b * kGroup + n, 1, &of_weights);
          scale *= of_weights;
        }
        sum = std::fma(static_cast<float>(whole), scale, sum);
      }
      g.sums[r * kGroup + n] = sum;
    }
}

}  // namespace cp
