// The fusion of feature rows against an independent computation in float64 (tests/oracle/pair_fusion.py).
#include "runtime/pair_fusion.h"

#include "random_clip.h"
#include "runtime/action_head.h"
#include "runtime/region.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kFloat = Tol::rel(1e-5, "float32 against float64");

const Json& golden() {
  static const Json all = read_json(test::golden("runtime/pair_fusion.json"), ErrorKind::data);
  return all;
}

PairFusion::Shape shape_of(const Json& g) {
  const Json& s = g["shape"];
  return {s["kind"], s["in"], s["grid"], s["width"], s["hidden"]};
}

SafeTensors weights(const Json& g) {
  std::vector<TensorToWrite> tensors = test::clip_weights(g, DType::f32);
  for (TensorToWrite& tensor : tensors)
    if (tensor.name == "projector.scale") tensor.values = {0.3f};
  return SafeTensors::parse(encode_safetensors(tensors), "fusion");
}

// The rows of the image before (0) or after (1).
std::vector<float> rows(const PairFusion::Shape& s, std::uint64_t which) {
  Rng rng(31 + which, Stream::test);
  std::vector<float> x(static_cast<std::size_t>(s.rows() * s.in));
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

std::vector<float> every_7th(const std::vector<float>& x) {
  std::vector<float> out;
  for (std::size_t i = 0; i < x.size(); i += 7) out.push_back(x[i]);
  return out;
}

TEST(PairFusion, EqualsTheReferenceInEveryKind) {
  int visited = 0;
  for (const auto& [name, g] : golden().items()) {
    const PairFusion::Shape shape = shape_of(g);
    const PairFusion::Output out = PairFusion::load(weights(g), shape).forward(rows(shape, 0), rows(shape, 1));
    EXPECT_TRUE(close(name, out.embeddings, g["embeddings"].get<std::vector<float>>(), kFloat));
    EXPECT_EQ(out.map.empty(), !shape.has_map());
    if (shape.has_map()) {
      EXPECT_TRUE(close(name + " map", every_7th(out.map), g["map"].get<std::vector<float>>(), kFloat));
      EXPECT_NEAR(out.flag, g["flag"].get<double>(), 1e-5 * std::abs(g["flag"].get<double>()) + 1e-6) << name;
    }
    ++visited;
  }
  EXPECT_EQ(visited, 4);
}

TEST(PairFusion, ExchangedImagesAreSeen) {
  int visited = 0;
  for (const auto& [name, g] : golden().items()) {
    const PairFusion::Shape shape = shape_of(g);
    const PairFusion::Output out = PairFusion::load(weights(g), shape).forward(rows(shape, 1), rows(shape, 0));
    EXPECT_FALSE(close(name, out.embeddings, g["embeddings"].get<std::vector<float>>(), kFloat));
    ++visited;
  }
  EXPECT_EQ(visited, 4);
}

TEST(PairFusion, ParametersAreWhatTheFileMustHold) {
  for (const auto& [name, g] : golden().items()) {
    const PairFusion::Shape shape = shape_of(g);
    const std::vector<TensorToWrite> start = PairFusion::parameters(shape, 0.02).initial(5);
    EXPECT_EQ(start.size(), g["tensors"].size()) << name;
    const SafeTensors file = SafeTensors::parse(encode_safetensors(start), "start");
    EXPECT_EQ(file.floats("projector.scale", {})[0], 0.02f);
    PairFusion::load(file, shape);
    PairFusion::Shape other = shape;
    other.width += 1;
    EXPECT_TRUE(test::throws_user_error([&] { PairFusion::load(file, other); }, ErrorKind::model,
                                        {"fusion.mix.weight", "projector.0.weight"}));
  }
}

TEST(DensityMap, ItsRegionHoldsTheSamples) {
  Rng rng(3, Stream::test);
  std::vector<float> samples;
  for (int i = 0; i < 64; ++i) {
    samples.push_back(0.5f + 0.05f * static_cast<float>(rng.normal()));  // u, v, a
    samples.push_back(-0.25f + 0.05f * static_cast<float>(rng.normal()));
    samples.push_back(1);
  }
  const std::vector<float> map = density_map(samples, 64);
  const Region region = find_region(place_weights({}, map, 1), 0.9, 0.9);
  EXPECT_LT(region.share, 0.05);
  int inside = 0;
  for (std::size_t i = 0; i < samples.size(); i += 3) {
    const int column = static_cast<int>((samples[i] + 1) / 2 * 64),
              row = static_cast<int>((samples[i + 1] + 1) / 2 * 64);
    inside += std::find(region.cells.begin(), region.cells.end(), row * 64 + column) != region.cells.end();
  }
  EXPECT_GE(inside, 54);  // of 64; the region holds 90 % of the smoothed mass
  // The border belongs to the last cell.
  EXPECT_EQ(density_map(std::vector<float>{1, 1, 1}, 8).back(),
            density_map(std::vector<float>{0.99f, 0.99f, 1}, 8).back());
}

}  // namespace
}  // namespace cp
