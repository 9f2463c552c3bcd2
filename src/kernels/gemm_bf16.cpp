#include "kernels/gemm_bf16.h"

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/cpu.h"
#include "kernels/gemm_bf16_x86.h"

namespace cp {

namespace {

constexpr std::size_t kTile = 16;
constexpr double kWorthThreads = 8e6;  // multiplications that take longer than a fork and join

std::size_t area(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

float widen(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

void part_scalar(const Bf16Part& p) {
  const std::size_t depth = p.b->depth(), n = static_cast<std::size_t>(p.b->cols);
  for (std::size_t row = 0; row < static_cast<std::size_t>(p.m); ++row)
    for (std::size_t col = p.first * PackedBf16::kPanel; col < std::min(p.last * PackedBf16::kPanel, n); ++col) {
      const std::uint16_t* b = p.b->panel(col / PackedBf16::kPanel) + col % PackedBf16::kPanel * 2;
      float sum = 0;
      for (std::size_t k = 0; k < depth; k += 2, b += 2 * PackedBf16::kPanel)
        sum += widen(p.a[row * depth + k]) * widen(b[0]) + widen(p.a[row * depth + k + 1]) * widen(b[1]);
      p.c[row * n + col] = sum + (p.bias ? p.bias[col] : 0.f);
    }
}

}  // namespace

std::uint16_t round_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

PackedBf16 pack_bf16_transposed(std::span<const float> w, int n, int k) {
  CP_CHECK(w.size() == area(n, k), "pack_bf16_transposed: size is not N x K");
  PackedBf16 out{k, n, {}};
  out.panels.resize(static_cast<std::size_t>(out.panel_count()) * out.depth() * PackedBf16::kPanel);
  for (std::size_t col = 0; col < static_cast<std::size_t>(n); ++col) {
    std::uint16_t* const to =
        out.panels.data() + col / PackedBf16::kPanel * out.depth() * PackedBf16::kPanel + col % PackedBf16::kPanel * 2;
    for (std::size_t row = 0; row < static_cast<std::size_t>(k); ++row)
      to[row / 2 * 2 * PackedBf16::kPanel + row % 2] = round_to_bf16(w[col * static_cast<std::size_t>(k) + row]);
  }
  return out;
}

void gemm_bf16(std::span<const float> a, int m, const PackedBf16& b, std::span<const float> bias, std::span<float> c) {
  CP_CHECK(a.size() == area(m, b.rows), "gemm_bf16: A is not M x K");
  CP_CHECK(c.size() == area(m, b.cols), "gemm_bf16: C is not M x N");
  CP_CHECK(bias.empty() || bias.size() == static_cast<std::size_t>(b.cols), "gemm_bf16: the bias is not N long");
  const std::size_t rows = static_cast<std::size_t>(m), k = static_cast<std::size_t>(b.rows), depth = b.depth();
  const Bf16Dot way = bf16_dot();
  thread_local std::vector<std::uint16_t> kept;
  kept.assign((rows + kTile - 1) / kTile * kTile * depth, 0);
  std::uint16_t* const rounded = kept.data();
  for (std::size_t row = 0; row < rows; ++row) {
    if (way != Bf16Dot::widened)
      round_row_avx512(a.data() + row * k, k, rounded + row * depth);
    else
      std::transform(a.data() + row * k, a.data() + (row + 1) * k, rounded + row * depth, round_to_bf16);
  }
  const auto part = [&](std::size_t first, std::size_t last) {
    const Bf16Part p{rounded, m, &b, first, last, bias.empty() ? nullptr : bias.data(), c.data()};
    (way == Bf16Dot::amx ? bf16_part_amx : way == Bf16Dot::avx512 ? bf16_part_avx512 : part_scalar)(p);
  };
  const std::size_t panels = static_cast<std::size_t>(b.panel_count());
  if (static_cast<double>(m) * b.rows * b.cols < kWorthThreads) return part(0, panels);
  thread_pool().run_ranges(panels, 2, part);
}

}  // namespace cp
