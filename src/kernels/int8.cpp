#include "kernels/int8.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/gemm.h"
#include "kernels/int8_avx2.h"

namespace cp {

namespace {

std::size_t area(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

void check(const Int8Matrix& w) {
  CP_CHECK(w.codes.size() == area(w.out, w.in), "int8: the codes are not N x K");
  CP_CHECK(w.scales.size() == static_cast<std::size_t>(w.out), "int8: not one scale a row");
}

// Row n of W (K), `stride` floats between its values.
void unpack_row(const Int8Matrix& w, int n, float* to, std::size_t stride) {
  const std::int8_t* codes = w.codes.data() + area(n, w.in);
  const float scale = w.scales[static_cast<std::size_t>(n)];
  for (int k = 0; k < w.in; ++k, to += stride) *to = static_cast<float>(codes[k]) * scale;
}

void few_rows(const float* a, int m, const Int8Matrix& w, const float* bias, float* c) {
  for (int n = 0; n < w.out; ++n) {
    const std::int8_t* codes = w.codes.data() + area(n, w.in);
    for (int i = 0; i < m; ++i) {
      const float* row = a + area(i, w.in);
      float sum = 0;
      for (int k = 0; k < w.in; ++k) sum += row[k] * static_cast<float>(codes[k]);
      c[area(i, w.out) + static_cast<std::size_t>(n)] =
          sum * w.scales[static_cast<std::size_t>(n)] + (bias ? bias[n] : 0.f);
    }
  }
}

void unpack_panel(const Int8Matrix& w, int p, float* panel) {
  constexpr int kPanel = PackedMatrix::kPanel;
  for (int j = 0; j < kPanel; ++j) unpack_row(w, std::min(p * kPanel + j, w.out - 1), panel + j, kPanel);
}

}  // namespace

void int8_gemm(std::span<const float> a, int m, const Int8Matrix& w, std::span<const float> bias, std::span<float> c) {
  check(w);
  CP_CHECK(a.size() == area(m, w.in), "int8_gemm: A is not M x K");
  CP_CHECK(c.size() == area(m, w.out), "int8_gemm: C is not M x N");
  CP_CHECK(bias.empty() || bias.size() == static_cast<std::size_t>(w.out), "int8_gemm: the bias is not N long");
  const bool fast = simd() >= Simd::avx2;
  if (m > kInt8FewRows) {
    const auto fill = fast ? int8_panel_avx2 : unpack_panel;
    gemm_by_panels(a, m, w.in, w.out, bias, c, [&](int p, float* panel) { fill(w, p, panel); });
  } else {
    (fast ? int8_few_rows_avx2 : few_rows)(a.data(), m, w, bias.empty() ? nullptr : bias.data(), c.data());
  }
}

void int8_row(const Int8Matrix& w, int n, std::span<float> row) {
  check(w);
  CP_CHECK(n >= 0 && n < w.out && row.size() == static_cast<std::size_t>(w.in), "int8_row: no such row");
  unpack_row(w, n, row.data(), 1);
}

float int8_row_codes(std::span<const float> w, std::int8_t* codes) {
  float most = 0, zero = 0;  // zero: NaN when a value is not finite
  std::size_t i = 0;
  if (simd() >= Simd::avx2) {
    i = w.size() / 8 * 8;
    most = int8_largest_avx2(w.data(), i, zero);
  }
  for (std::size_t j = i; j < w.size(); ++j) {
    most = std::max(most, std::fabs(w[j]));
    zero += w[j] * 0.f;
  }
  const float scale = most / 127.f + zero;
  if (!(scale > 0)) {
    std::fill_n(codes, w.size(), std::int8_t{0});
    return scale;
  }
  if (i > 0) int8_codes_avx2(w.data(), i, scale, codes);
  for (; i < w.size(); ++i)
    codes[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(w[i] / scale), -127.f, 127.f));
  return scale;
}

}  // namespace cp
