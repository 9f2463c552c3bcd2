// The evidence of `visual_grid` against an independent implementation (tests/oracle/evidence_reference.py).
#include "runtime/evidence.h"

#include <algorithm>
#include <cmath>

#include "core/json.h"
#include "random_nano.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

constexpr int kFirstWeight = 500, kFirstInput = 900;
const Tol kSums = Tol::rel(2e-5, "float32 against float64 through seven layers");

std::vector<float> draw(int sample, std::size_t count) {
  Rng rng(test::kModelSeed, Stream::test, 0, static_cast<std::uint64_t>(sample));
  std::vector<float> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<float>(rng.normal()));
  return out;
}

// Tensor i draws from sample kFirstWeight + i, in the order of the parameters.
Evidence random_evidence(const Evidence::Shape& shape) {
  Parameters parameters;
  Evidence::add_parameters(parameters, shape);
  std::vector<TensorToWrite> tensors;
  int sample = kFirstWeight;
  for (const Parameter& p : parameters.all()) {
    std::int64_t size = 1, fan_in = 1;
    for (std::size_t d = 0; d < p.shape.size(); ++d) {
      size *= p.shape[d];
      if (d > 0) fan_in *= p.shape[d];
    }
    Rng rng(test::kModelSeed, Stream::test, 0, static_cast<std::uint64_t>(sample++));
    TensorToWrite tensor{p.name, p.shape, {}, DType::f32};
    for (std::int64_t i = 0; i < size; ++i) {
      const double n = rng.normal();
      tensor.values.push_back(static_cast<float>(p.shape.empty()                    ? n * 0.1 + 0.5
                                                 : p.name == "evidence.norm.weight" ? 1 + 0.1 * n
                                                 : p.name.ends_with("bias")         ? 0.1 * n
                                                                                    : n / std::sqrt(fan_in)));
    }
    tensors.push_back(std::move(tensor));
  }
  return Evidence::load(SafeTensors::parse(encode_safetensors(tensors), "test"), shape);
}

Evidence::Output answer(const Evidence& evidence, int grid, double flag) {
  const auto positions = static_cast<std::size_t>(grid * grid);
  std::vector<float> map;
  Rng rng(test::kModelSeed, Stream::test, 0, kFirstInput + 2);
  for (int i = 0; i < Evidence::kSide * Evidence::kSide; ++i) map.push_back(static_cast<float>(3 * rng.normal() - 2));
  return evidence(draw(kFirstInput, positions * test::kHidden), draw(kFirstInput + 1, test::kHidden), map, flag);
}

std::vector<float> thinned(const std::vector<float>& places) {
  std::vector<float> out;
  for (std::size_t i = 0; i < places.size(); i += 37) out.push_back(places[i]);
  return out;
}

TEST(Evidence, EqualsTheReferenceForEverySourceAndGrid) {
  const Json cases = Json::parse(read_file(test::golden("runtime/evidence.json"), 1 << 22, ErrorKind::data));
  ASSERT_EQ(cases.size(), 6u);
  for (const Json& one : cases) {
    const std::string sources = one.at("sources");
    const int grid = one.at("grid");
    const Evidence evidence = random_evidence({sources, grid, test::kHidden});
    const Evidence::Output got = answer(evidence, grid, 0.75);
    const std::vector<float> want = one.at("evidence");
    const std::string name = sources + ", grid " + std::to_string(grid);
    EXPECT_TRUE(close(name, thinned(got.places), want, kSums));
    EXPECT_NEAR(got.action_logit, one.at("action").get<double>(), 2e-5) << name;
    // Planted faults: the neighbouring cells, another flag, another grid's weights.
    std::vector<float> shifted = got.places;
    std::rotate(shifted.begin(), shifted.begin() + 1, shifted.end());
    EXPECT_FALSE(close(name, thinned(shifted), want, kSums));
    const double other = std::abs(answer(evidence, grid, 0.8).action_logit - got.action_logit);
    EXPECT_EQ(other > 1e-3, sources != "hidden") << name;
  }
}

}  // namespace
}  // namespace cp
