// Micro-benchmarks of the dense kernels (Google Benchmark). Each compares its result with a plain loop before it is
// timed and stops the program where they differ: a fast wrong kernel is no result.
//   build/bench/bench_kernels --benchmark_filter=Gemm --benchmark_repetitions=5
// One thread. Limits of the same machine: `changepilot bench`.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/gemm_bf16.h"
#include "kernels/norm.h"
#include "runtime/places.h"

namespace cp {
namespace {

std::vector<float> normals(std::size_t n, std::uint64_t seed) {
  Rng rng(seed, Stream::test);
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

void want_close(const char* what, double got, double want, double tolerance) {
  if (std::abs(got - want) <= tolerance) return;
  std::fprintf(stderr, "%s: wanted %g, found %g: not timed\n", what, want, got);
  std::exit(1);
}

void count_flops(benchmark::State& state, double of_one) {
  state.counters["GFLOP/s"] =
      benchmark::Counter(of_one * static_cast<double>(state.iterations()) / 1e9, benchmark::Counter::kIsRate);
}

std::size_t size(const benchmark::State& state, int i) { return static_cast<std::size_t>(state.range(i)); }

// sum_l a[row, l] w[col, l]
double product_at(const std::vector<float>& a, const std::vector<float>& w, std::size_t k, std::size_t row,
                  std::size_t col) {
  double sum = 0;
  for (std::size_t l = 0; l < k; ++l) sum += static_cast<double>(a[row * k + l]) * w[col * k + l];
  return sum;
}

template <class Packed, class Multiply>
void product(benchmark::State& state, const char* what, double tolerance,
             Packed (*pack)(std::span<const float>, int, int), const Multiply& multiply) {
  const std::size_t m = size(state, 0), n = size(state, 1), k = size(state, 2);
  const std::vector<float> a = normals(m * k, 1), w = normals(n * k, 2), bias(n);
  std::vector<float> c(m * n);
  const Packed b = pack(w, static_cast<int>(n), static_cast<int>(k));
  multiply(a, static_cast<int>(m), b, bias, c);
  for (std::size_t row = 0; row < m; row += 7)
    for (std::size_t col = 0; col < n; col += 11)
      want_close(what, c[row * n + col], product_at(a, w, k, row, col), tolerance * std::sqrt(static_cast<double>(k)));
  for (auto _ : state) {
    multiply(a, static_cast<int>(m), b, bias, c);
    benchmark::DoNotOptimize(c.data());
  }
  count_flops(state, 2.0 * static_cast<double>(m * n * k));
}

void Gemm(benchmark::State& state) {
  product(state, "gemm", 1e-5, pack_transposed,
          [](const auto& a, int m, const PackedMatrix& b, const auto& bias, auto& c) { gemm(a, m, b, bias, c); });
}
void GemmBf16(benchmark::State& state) {
  product(state, "gemm_bf16", 2e-2, pack_bf16_transposed,
          [](const auto& a, int m, const PackedBf16& b, const auto& bias, auto& c) { gemm_bf16(a, m, b, bias, c); });
}
// CLIP's layers on both images, a head's layer, a point-wise convolution of EfficientNet, one row.
#define CP_PRODUCTS            \
  Args({100, 2304, 768})       \
      ->Args({100, 3072, 768}) \
      ->Args({100, 768, 3072}) \
      ->Args({64, 512, 256})   \
      ->Args({1024, 240, 40})  \
      ->Args({1, 768, 768})
BENCHMARK(Gemm)->CP_PRODUCTS;
BENCHMARK(GemmBf16)->CP_PRODUCTS;

void Depthwise(benchmark::State& state) {
  const int side = static_cast<int>(state.range(0)), channels = static_cast<int>(state.range(1)),
            kernel = static_cast<int>(state.range(2));
  const std::size_t c = static_cast<std::size_t>(channels), s = static_cast<std::size_t>(side);
  const std::size_t taps = static_cast<std::size_t>(kernel * kernel);
  const std::vector<float> x = normals(s * s * c, 1), weight = normals(taps * c, 2), bias(c);
  std::vector<float> y(x.size());
  const Window window = same_window(side, side, kernel, 1);
  depthwise(x, side, side, channels, window, weight, bias, y, Activation::none);
  double sum = 0;  // at the centre, last channel
  const std::size_t centre = s / 2, half = static_cast<std::size_t>(kernel / 2);
  for (std::size_t t = 0; t < taps; ++t) {
    const std::size_t row = centre + t / static_cast<std::size_t>(kernel) - half,
                      col = centre + t % static_cast<std::size_t>(kernel) - half;
    sum += static_cast<double>(x[(row * s + col) * c + c - 1]) * weight[t * c + c - 1];
  }
  want_close("depthwise", y[(centre * s + centre) * c + c - 1], sum, 1e-4);
  for (auto _ : state) {
    depthwise(x, side, side, channels, window, weight, bias, y, Activation::relu6);
    benchmark::DoNotOptimize(y.data());
  }
  count_flops(state, 2.0 * static_cast<double>(x.size() * taps));
}
BENCHMARK(Depthwise)->Args({128, 32, 3})->Args({32, 240, 5})->Args({8, 1152, 5});

void Attention(benchmark::State& state) {
  constexpr std::size_t kLength = 50, kHeads = 12, kDim = 64, kWidth = kHeads * kDim;
  const std::vector<float> qkv = normals(2 * kLength * 3 * kWidth, 1);
  std::vector<float> out(2 * kLength * kWidth);
  const AttentionRows rows{qkv.data(), qkv.data() + kWidth,       qkv.data() + 2 * kWidth,  3 * kWidth,
                           2,          static_cast<int>(kLength), static_cast<int>(kHeads), static_cast<int>(kDim)};
  full_attention(rows, out);
  double total = 0, mean = 0;  // row 1 of head 0, value 0
  for (std::size_t t = 0; t < kLength; ++t) {
    double score = 0;
    for (std::size_t i = 0; i < kDim; ++i)
      score += static_cast<double>(qkv[3 * kWidth + i]) * qkv[t * 3 * kWidth + kWidth + i];
    const double weight = std::exp(score / 8);
    total += weight;
    mean += weight * qkv[t * 3 * kWidth + 2 * kWidth];
  }
  want_close("full_attention", out[kWidth], mean / total, 1e-4);
  for (auto _ : state) {
    full_attention(rows, out);
    benchmark::DoNotOptimize(out.data());
  }
  count_flops(state, 2.0 * 2 * 2 * kLength * kLength * kWidth);
}
BENCHMARK(Attention);

template <class Work, class Want>
void rows_of_clip(benchmark::State& state, const char* what, const Work& work, const Want& want) {
  const std::vector<float> x = normals(100 * 3072, 1);
  std::vector<float> y = x;
  work(y);
  want_close(what, y[5], want(x), 1e-5);
  for (auto _ : state) {
    y = x;
    work(y);
    benchmark::DoNotOptimize(y.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(x.size()) * state.iterations());
}
void QuickGelu(benchmark::State& state) {
  rows_of_clip(
      state, "quick_gelu", [](auto& y) { quick_gelu(y); },
      [](const auto& x) { return x[5] / (1 + std::exp(-1.702 * x[5])); });
}
void Gelu(benchmark::State& state) {
  rows_of_clip(
      state, "gelu", [](auto& y) { gelu(y); },
      [](const auto& x) { return x[5] / 2 * std::erfc(-x[5] / std::sqrt(2.0)); });
}
void LayerNorm(benchmark::State& state) {
  const std::vector<float> one(768, 1.f), zero(768);
  rows_of_clip(
      state, "layer_norm", [&](auto& y) { layer_norm(y, 768, one, zero, 1e-5f); },
      [](const auto& x) {
        double sum = 0, square = 0;
        for (std::size_t i = 0; i < 768; ++i) sum += x[i];
        for (std::size_t i = 0; i < 768; ++i) square += (x[i] - sum / 768) * (x[i] - sum / 768);
        return (x[5] - sum / 768) / std::sqrt(square / 768 + 1e-5);
      });
}
BENCHMARK(QuickGelu);
BENCHMARK(Gelu);
BENCHMARK(LayerNorm);

// One step of the head that denoises in closed form, 64 draws.
void HeadClosedForm(benchmark::State& state) {
  const std::vector<float> evidence = normals(64 * 64, 1), x = normals(3 * 64, 2);
  const Places places(evidence, 0.05, 0.3, 0.2);
  std::vector<float> clean(x.size());
  places.clean(x, 0.8, 0.6, clean);
  double total = 0, u = 0;
  const double variance = 0.8 * 0.8 * 0.05 * 0.05 + 0.6 * 0.6, k = 0.8 * 0.05 * 0.05 / variance;
  for (int cell = 0; cell < 64 * 64; ++cell) {
    const double across = cell_centre(cell % 64, 64), down = cell_centre(cell / 64, 64);
    const double distance = std::pow(x[0] - 0.8 * across, 2) + std::pow(x[1] - 0.8 * down, 2);
    const double weight = std::exp(evidence[static_cast<std::size_t>(cell)] - distance / (2 * variance));
    total += weight;
    u += weight * across;
  }
  want_close("Places::clean", clean[0], (1 - k * 0.8) * u / total + k * x[0], 1e-5);
  for (auto _ : state) {
    places.clean(x, 0.8, 0.6, clean);
    benchmark::DoNotOptimize(clean.data());
  }
  state.SetItemsProcessed(64 * state.iterations());
}
BENCHMARK(HeadClosedForm);

}  // namespace
}  // namespace cp

int main(int argc, char** argv) {
  cp::thread_pool().set_threads(1);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
