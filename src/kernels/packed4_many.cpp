#include "kernels/packed4_many.h"

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/half.h"
#include "kernels/packed4_unpack.h"

namespace cp {

namespace {

constexpr std::size_t kGroup = Packed4Shape::kGroup, kBlock = Packed4Shape::kBlock,
                      kBlockBytes = Packed4Shape::kBlockBytes;

// visit(k, lane, value) for every weight of a group.
template <class Visit>
void for_values(const Nf4Packed& w, std::size_t group, const Visit& visit) {
  const std::uint8_t* codes = w.group(group);
  const std::uint8_t* scales = codes + w.blocks() * kBlockBytes;
  for (std::size_t b = 0; b < w.blocks(); ++b) {
    float scale[kGroup];
    widen_half(scales + 2 * b * kGroup, kGroup, scale);
    for (float& s : scale) s *= w.unit;
    for (std::size_t t = 0; t < 8; ++t)
      for (std::size_t lane = 0; lane < kGroup; ++lane, codes += 4)
        for (std::size_t j = 0; j < 4; ++j) {
          visit(b * kBlock + 8 * t + j, lane, w.map[codes[j] & 15u] * scale[lane]);
          visit(b * kBlock + 8 * t + 4 + j, lane, w.map[codes[j] >> 4] * scale[lane]);
        }
  }
}

void widened(const Nf4Packed& w, const ManyRows& a, std::size_t first, std::size_t last, const float* bias, float* c,
             std::size_t ldc) {
  thread_local std::vector<float> panel;
  panel.resize(static_cast<std::size_t>(w.in) * kGroup);
  const auto fill = simd() >= Simd::avx2 ? nf4_group_floats_avx2 : nf4_group_floats;
  for (std::size_t g = first; g < last; ++g) {
    const std::size_t col = g * kGroup;
    fill(w, g, panel.data());
    gemm_panel(a.values.data(), a.rows, panel.data(), w.in,
               static_cast<int>(std::min(kGroup, static_cast<std::size_t>(w.out) - col)), bias ? bias + col : nullptr,
               c + col, ldc);
  }
}

}  // namespace

void fill_many_rows(std::span<const float> a, int m, int k, ManyRows& out) {
  const std::size_t width = static_cast<std::size_t>(k);
  CP_CHECK(m > 0 && k > 0 && a.size() == static_cast<std::size_t>(m) * width, "fill_many_rows: a is not M x K");
  out.rows = m;
  out.in = k;
  out.values = a;
  if (bf16_dot() == Bf16Dot::widened) return;
  CP_CHECK(k % Packed4Shape::kBlock == 0, "fill_many_rows: K is not a multiple of 64");
  const std::size_t step = ManyRows::kRowStep, rows = (static_cast<std::size_t>(m) + step - 1) / step * step;
  out.tiles.resize(rows * width);
  const std::size_t filled = static_cast<std::size_t>(m);
  thread_pool().run_ranges(rows, kGroup, [&](std::size_t first, std::size_t last) {
    for (std::size_t row = first; row < last; ++row) {
      std::uint16_t* to = out.tiles.data() + row / kGroup * kGroup * width + row % kGroup * 32;
      if (row < filled)
        round_to_tiles_avx512(a.data() + row * width, width, to);
      else
        for (std::size_t i = 0; i < width; i += 32, to += kGroup * 32) std::fill_n(to, 32, std::uint16_t{0});
    }
  });
}

void nf4_packed_many(const Nf4Packed& w, const ManyRows& a, std::size_t first, std::size_t last, const float* bias,
                     float* c, std::size_t ldc) {
  CP_CHECK(a.in == w.in, "nf4_packed_many: the activations are not K wide");
  CP_CHECK(first <= last && last <= w.groups(), "nf4_packed_many: no such groups");
  const Bf16Dot way = bf16_dot();
  if (way == Bf16Dot::widened) return widened(w, a, first, last, bias, c, ldc);
  const std::size_t k = static_cast<std::size_t>(w.in), rows = a.tiles.size() / k;
  CP_CHECK(rows >= static_cast<std::size_t>(a.rows), "nf4_packed_many: rows were not rounded");
  constexpr std::size_t kWide = 2 * kGroup, kStep = ManyRows::kRowStep;
  thread_local LineVector<std::uint16_t> pairs;
  pairs.resize(k * kWide);
  const auto multiply = way == Bf16Dot::amx ? bf16_product_amx : bf16_product_avx512;
  for (std::size_t g = first; g < last; g += 2) {
    const bool two = g + 1 < last;
    std::uint16_t* const second = pairs.data() + (two ? k * kGroup : 0);
    nf4_group_pairs_avx512(w, g, pairs.data());
    if (two) nf4_group_pairs_avx512(w, g + 1, second);
    const std::size_t col = g * kGroup, width = std::min((two ? 2 : 1) * kGroup, static_cast<std::size_t>(w.out) - col);
    float begin[kWide] = {}, block[kStep * kWide];
    if (bias) std::copy_n(bias + col, width, begin);
    // Whole blocks go where they belong, those at the edges through a buffer.
    const std::size_t whole = width == kWide ? static_cast<std::size_t>(a.rows) / kStep * kStep : 0;
    if (whole > 0) multiply(a.tiles.data(), whole, k, pairs.data(), second, begin, c + col, ldc);
    for (std::size_t row = whole; row < rows; row += kStep) {
      multiply(a.tiles.data() + row * k, kStep, k, pairs.data(), second, begin, block, kWide);
      for (std::size_t r = row; r < std::min(row + kStep, static_cast<std::size_t>(a.rows)); ++r)
        std::copy_n(block + (r - row) * kWide, width, c + r * ldc + col);
    }
  }
}

void nf4_group_floats(const Nf4Packed& w, std::size_t group, float* panel) {
  for_values(w, group, [&](std::size_t k, std::size_t lane, float value) { panel[k * kGroup + lane] = value; });
}

void nf4_group_pairs(const Nf4Packed& w, std::size_t group, std::uint16_t* pairs) {
  for_values(w, group, [&](std::size_t k, std::size_t lane, float value) {
    pairs[(k / 2 * kGroup + lane) * 2 + k % 2] =
        static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(value) + 0x8000u) >> 16);
  });
}

}  // namespace cp
