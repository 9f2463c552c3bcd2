#include "kernels/nf4.h"

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/nf4_avx2.h"

namespace cp {

namespace {

std::size_t area(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

// Row n of W (K), `stride` floats between its values.
void unpack_row(const Nf4Matrix& w, int n, float* to, std::size_t stride) {
  std::size_t flat = area(n, w.in);
  for (int k = 0; k < w.in; ++k, ++flat, to += stride) {
    const unsigned pair = w.codes[flat / 2];
    *to = w.map[flat % 2 == 0 ? pair >> 4 : pair & 15u] * w.scales[flat / Nf4Matrix::kBlock];
  }
}

void few_rows(const float* a, int m, const Nf4Matrix& w, const float* bias, float* c) {
  std::vector<float> row(static_cast<std::size_t>(w.in));
  for (int n = 0; n < w.out; ++n) {
    unpack_row(w, n, row.data(), 1);
    for (int i = 0; i < m; ++i)
      c[area(i, w.out) + static_cast<std::size_t>(n)] =
          dot(a + area(i, w.in), row.data(), w.in) + (bias ? bias[n] : 0.f);
  }
}

void unpack_panel(const Nf4Matrix& w, int p, float* panel) {
  constexpr int kPanel = PackedMatrix::kPanel;
  for (int j = 0; j < kPanel; ++j) unpack_row(w, std::min(p * kPanel + j, w.out - 1), panel + j, kPanel);
}

}  // namespace

void nf4_gemm(std::span<const float> a, int m, const Nf4Matrix& w, std::span<const float> bias, std::span<float> c) {
  const std::size_t size = area(w.out, w.in);
  CP_CHECK(w.codes.size() == (size + 1) / 2, "nf4_gemm: the codes are not N x K");
  CP_CHECK(w.scales.size() == (size + Nf4Matrix::kBlock - 1) / Nf4Matrix::kBlock, "nf4_gemm: not one scale a block");
  CP_CHECK(a.size() == area(m, w.in), "nf4_gemm: A is not M x K");
  CP_CHECK(c.size() == area(m, w.out), "nf4_gemm: C is not M x N");
  CP_CHECK(bias.empty() || bias.size() == static_cast<std::size_t>(w.out), "nf4_gemm: the bias is not N long");
  const bool fast = simd() >= Simd::avx2 && w.in % Nf4Matrix::kBlock == 0;
  if (m > kNf4FewRows) {
    const auto fill = fast ? nf4_panel_avx2 : unpack_panel;
    gemm_by_panels(a, m, w.in, w.out, bias, c, [&](int p, float* panel) { fill(w, p, panel); });
  } else {
    (fast ? nf4_few_rows_avx2 : few_rows)(a.data(), m, w, bias.empty() ? nullptr : bias.data(), c.data());
  }
}

void nf4_unpack(const Nf4Matrix& w, int first, int count, std::span<float> out) {
  CP_CHECK(first >= 0 && count >= 0 && first + count <= w.out && out.size() == area(count, w.in),
           "nf4_unpack: no such rows");
  if (w.in % Nf4Matrix::kBlock != 0) {
    for (int r = 0; r < count; ++r) unpack_row(w, first + r, out.data() + area(r, w.in), 1);
    return;
  }
  const std::size_t from = area(first, w.in);
  if (simd() >= Simd::avx2)
    return nf4_blocks_avx2(w.codes.data() + from / 2, w.scales.data() + from / Nf4Matrix::kBlock, w.map,
                           out.size() / Nf4Matrix::kBlock, out.data());
  float pairs[256][2];  // what a byte of codes stands for
  for (unsigned byte = 0; byte < 256; ++byte) {
    pairs[byte][0] = w.map[byte >> 4];
    pairs[byte][1] = w.map[byte & 15u];
  }
  const std::uint8_t* code = w.codes.data() + from / 2;
  const float* scale = w.scales.data() + from / Nf4Matrix::kBlock;
  for (float* to = out.data(); to < out.data() + out.size();
       to += Nf4Matrix::kBlock, ++scale, code += Nf4Matrix::kBlock / 2)
    for (int i = 0; i < Nf4Matrix::kBlock / 2; ++i) {
      to[2 * i] = pairs[code[i]][0] * *scale;
      to[2 * i + 1] = pairs[code[i]][1] * *scale;
    }
}

void nf4_unpack_bf16(const Nf4Matrix& w, int first, int count, std::span<std::uint16_t> out) {
  CP_CHECK(first >= 0 && count >= 0 && first + count <= w.out && out.size() == area(count, w.in),
           "nf4_unpack_bf16: no such rows");
  const std::size_t from = area(first, w.in);
  if (simd() >= Simd::avx2 && w.in % Nf4Matrix::kBlock == 0)
    return nf4_blocks_bf16_avx2(w.codes.data() + from / 2, w.scales.data() + from / Nf4Matrix::kBlock, w.map,
                                out.size() / Nf4Matrix::kBlock, out.data());
  std::vector<float> row(static_cast<std::size_t>(w.in));
  for (int r = 0; r < count; ++r) {
    unpack_row(w, first + r, row.data(), 1);
    std::transform(row.begin(), row.end(), out.begin() + static_cast<std::ptrdiff_t>(area(r, w.in)), [](float value) {
      const auto bits = std::bit_cast<std::uint32_t>(value);
      return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
    });
  }
}

}  // namespace cp
