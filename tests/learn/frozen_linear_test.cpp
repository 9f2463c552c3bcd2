// A frozen layer in every dtype, and on a GPU where there is one.
#include "learn/frozen_linear.h"

#include "core/rng.h"
#include "formats/int8_rows.h"
#include "formats/nf4.h"
#include "kernels/nf4_cuda.h"
#include "learn/device.h"
#include "support/test_support.h"

namespace cp {
namespace {

constexpr at::ScalarType kDtypes[] = {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble};

std::vector<float> random_values(int n) {
  Rng rng(5, Stream::test);
  std::vector<float> values;
  for (int i = 0; i < n; ++i) values.push_back(static_cast<float>(0.05 * rng.normal()));
  return values;
}

enum class Kind { nf4, int8, f32, bf16 };
constexpr Kind kKinds[] = {Kind::nf4, Kind::int8, Kind::f32, Kind::bf16};

FrozenLinear layer(Kind kind, int out, int in) {
  const std::vector<float> values = random_values(out * in);
  std::vector<TensorToWrite> tensors;
  if (kind == Kind::nf4)
    append_nf4(tensors, "w", quantize_nf4(values, out, in, true, DType::f32));
  else if (kind == Kind::int8)
    append_int8_rows(tensors, "w", quantize_int8_rows(values, out, in));
  else
    tensors.push_back({"w.weight", {out, in}, values, kind == Kind::f32 ? DType::f32 : DType::bf16});
  SafeTensors file = SafeTensors::parse(encode_safetensors(tensors), "test");
  return FrozenLinear::load(file, "w", out, in);
}

TEST(FrozenLinear, UnpacksToEveryDtypeAsFloat32RoundedToTheBit) {
  int visited = 0;
  for (const Kind kind : kKinds)
    for (const auto& [out, in] : {std::pair{5, 7}, {33, 64}, {40, 100}, {3, 40000}, {700, 96}}) {
      const FrozenLinear w = layer(kind, out, in);
      const at::Tensor whole = w.weight(0, out).clone();
      EXPECT_GT(whole.abs().max().item<float>(), 0.05f);
      for (const at::ScalarType dtype : kDtypes)
        for (const int first : {0, out / 2, out - 1}) {
          const at::Tensor got = w.weight(first, out - first, dtype);
          ASSERT_TRUE(got.is_contiguous() && got.scalar_type() == dtype);
          ASSERT_TRUE(at::equal(got, whole.slice(0, first).to(dtype))) << out << ' ' << in << ' ' << dtype;
          ++visited;
        }
      const bool same = at::equal(w.weight(0, out, at::kBFloat16).to(at::kFloat), whole);
      EXPECT_EQ(same, kind == Kind::bf16) << "the twin: nothing rounded";
    }
  EXPECT_EQ(visited, 4 * 5 * 4 * 3);
}

TEST(FrozenLinear, ProductAndGradientEqualThoseOfTheRoundedWeight) {
  at::manual_seed(3);
  for (const Kind kind : kKinds)
    for (const at::ScalarType dtype : kDtypes) {
      const FrozenLinear w = layer(kind, 33, 64);
      const at::Tensor rounded = w.weight(0, 33).to(dtype);
      // Strided views, as LanguageNet's heads hand them over.
      at::Tensor x = at::randn({2, 64, 3}, dtype).transpose(1, 2).requires_grad_(true);
      const at::Tensor y = w(x), dy = at::randn({2, 33, 3}, dtype).transpose(1, 2);
      EXPECT_TRUE(at::equal(y, at::linear(x.detach().contiguous(), rounded)));
      y.backward(dy);
      EXPECT_TRUE(at::equal(x.grad(), at::matmul(dy.contiguous(), rounded)));
      EXPECT_TRUE(at::equal(w(x.detach()), y)) << "without a gradient";
      EXPECT_FALSE(at::equal(y, at::linear(x.detach().contiguous(), at::roll(rounded, 1, 0)))) << "the twin";
    }
}

TEST(FrozenLinear, AnUnpackedWeightThatIsHeldOutlivesTheNextProduct) {
  const FrozenLinear a = layer(Kind::nf4, 33, 64), b = layer(Kind::int8, 20, 48);
  at::Tensor held = a.weight(0, 33);
  const at::Tensor want = held.clone();
  const void* where = held.data_ptr();
  EXPECT_NE(b.weight(0, 20).data_ptr(), where);
  EXPECT_TRUE(at::equal(held, want));
  held.reset();
  const at::Tensor next = a.weight(0, 33), after = a.weight(1, 3);
  EXPECT_NE(next.data_ptr(), after.data_ptr());
  EXPECT_TRUE(at::equal(next, want));
}

TEST(FrozenLinear, RowsAreThoseOfTheWeight) {
  const at::Tensor ids = at::tensor({4, 0, 4, 32, 7, 9}, at::kLong).view({2, 3});
  for (const Kind kind : kKinds) {
    const FrozenLinear w = layer(kind, 33, 100);
    EXPECT_TRUE(at::equal(w.rows(ids), w.weight(0, 33).index_select(0, ids.view({-1})).view({2, 3, 100})));
    EXPECT_EQ(w.rows(at::empty({1, 0}, at::kLong)).sizes(), at::IntArrayRef({1, 0, 100}));
    EXPECT_ANY_THROW(w.rows(at::tensor({33}, at::kLong)));
    EXPECT_ANY_THROW(w.rows(at::tensor({-1}, at::kLong)));
  }
}

TEST(FrozenLinear, OnAGpuEqualsTheCpu) {
  if (!at::hasCUDA() || !cuda_kernels_built() || at::getNumGPUs() == 0)
    GTEST_SKIP() << "no GPU here, or LibTorch or this build has no CUDA: the kernels' bodies run in Nf4CudaBody";
  const at::Device gpu = parse_device("cuda");
  at::manual_seed(4);
  for (const Kind kind : kKinds)
    for (const auto& [out, in] : {std::pair{33, 64}, {50, 200}, {21, 100}}) {
      const FrozenLinear cpu = layer(kind, out, in), there = cpu.to(gpu);
      EXPECT_EQ(there.bytes(), cpu.bytes());
      EXPECT_EQ(there.device(), gpu);
      const at::Tensor ids = at::tensor({1, 20, 0}, at::kLong);
      EXPECT_TRUE(at::equal(there.rows(ids.to(gpu)).cpu(), cpu.rows(ids)));
      for (const at::ScalarType dtype : kDtypes) {
        EXPECT_TRUE(at::equal(there.weight(1, out - 1, dtype).cpu(), cpu.weight(1, out - 1, dtype))) << dtype;
        for (const int rows : {1, 2, 3, 8, 9, 40}) {
          const at::Tensor x = at::randn({rows, in}, dtype);
          const at::Tensor want = at::linear(x.to(at::kDouble), cpu.weight(0, out, dtype).to(at::kDouble));
          at::Tensor on_gpu = x.to(gpu).requires_grad_(true);
          const at::Tensor y = there(on_gpu);
          y.sum().backward();
          // Half a unit of y (8 or 11 bits), and of W, which the small batch does not round.
          const double tolerance = dtype == at::kBFloat16 ? 1e-2 : dtype == at::kHalf ? 2e-3 : 1e-5;
          const double most = want.abs().max().item<double>();
          const auto far = [&](const at::Tensor& got) {
            return (got.cpu().to(at::kDouble) - want).abs().max().item<double>() > tolerance * most;
          };
          EXPECT_FALSE(far(y.detach())) << dtype << ' ' << rows;
          EXPECT_FALSE(far(there(x.to(gpu)))) << dtype << ' ' << rows;
          EXPECT_TRUE(far(y.detach().roll(1, 1))) << "the twin";
          const at::Tensor dx = at::ones({rows, out}, at::kDouble).matmul(cpu.weight(0, out, dtype).to(at::kDouble));
          EXPECT_LE((on_gpu.grad().cpu().to(at::kDouble) - dx).abs().max().item<double>(),
                    tolerance * dx.abs().max().item<double>());
        }
      }
    }
}

}  // namespace
}  // namespace cp
