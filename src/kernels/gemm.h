#pragma once
// In:  row-major float32 matrices; the right-hand one packed once, because it is a weight that is used many times.
// Out: C (M N) = activation(A (M K) B (K N) + bias (N)), in float32.
// Not here: convolutions (conv.h makes rows of them), quantised weights (nf4.h, int8.h).

#include <algorithm>
#include <span>
#include <vector>

namespace cp {

enum class Activation { none, relu6 };

// B (K N) in panels of 16 columns: panel p holds columns 16p .. 16p+15, row after row, padded with zeros on the right.
// One panel's row is two AVX2 registers or one of AVX-512, and a product reads each panel from front to back.
struct PackedMatrix {
  static constexpr int kPanel = 16;
  int rows = 0;  // K
  int cols = 0;  // N
  std::vector<float> panels;

  int panel_count() const { return (cols + kPanel - 1) / kPanel; }
  const float* panel(int p) const {
    return panels.data() + static_cast<std::size_t>(p) * static_cast<std::size_t>(rows) * kPanel;
  }
};

// From (K N).
PackedMatrix pack(std::span<const float> b, int k, int n);
// From W (N K), as torch keeps the weight of a linear layer or of a 1 x 1 convolution: B = W^T.
PackedMatrix pack_transposed(std::span<const float> w, int n, int k);

// a (M K), c (M N), bias (N) or empty. Adds in the order of k within a value, whatever M and N are: AVX2 and AVX-512
// give the same bits, the scalar code differs by rounding only (no fused multiply-add). Large products are cut among
// the threads of thread_pool().
void gemm(std::span<const float> a, int m, const PackedMatrix& b, std::span<const float> bias, std::span<float> c,
          Activation activation = Activation::none);

// The same on one thread for parts of matrices: rows of `a` are `lda` apart, rows of `c` are `ldc` apart; `panels` as
// PackedMatrix has them, from column 0 of `c`; `bias` may be null.
void gemm_strided(const float* a, std::size_t lda, int m, const float* panels, int k, int n, const float* bias,
                  float* c, std::size_t ldc, Activation activation = Activation::none);

// The part of gemm() that belongs to one panel: c (M width) = activation(a (M K) panel (K 16) + bias (width)). Rows of
// c are `ldc` apart; `bias` may be null; width is at most 16.
void gemm_panel(const float* a, int m, const float* panel, int k, int width, const float* bias, float* c,
                std::size_t ldc, Activation activation = Activation::none);

// gemm() for a B (K N) that is kept in another form: fill(p, panel) writes panel p as PackedMatrix has it (what stands
// right of the last column does not matter). Equal to the bit to gemm() with the same panels.
template <class Fill>
void gemm_by_panels(std::span<const float> a, int m, int k, int n, std::span<const float> bias, std::span<float> c,
                    const Fill& fill) {
  std::vector<float> panel(static_cast<std::size_t>(k) * PackedMatrix::kPanel);
  for (int p = 0, col = 0; col < n; ++p, col += PackedMatrix::kPanel) {
    fill(p, panel.data());
    gemm_panel(a.data(), m, panel.data(), k, std::min(PackedMatrix::kPanel, n - col),
               bias.empty() ? nullptr : bias.data() + col, c.data() + col, static_cast<std::size_t>(n));
  }
}

// sum_i a_i b_i, and y += s x.
float dot(const float* a, const float* b, int n);
void axpy(float s, const float* x, float* y, int n);

}  // namespace cp
