// The trainable fusion of feature rows against the independent computation that the runtime's is tested with
// (tests/oracle/pair_fusion.py).
#include "learn/pair_fusion_net.h"

#include "runtime/random_clip.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kFloat = Tol::rel(1e-5, "float32 against float64");

TEST(PairFusionNet, EqualsTheReferenceInEveryKind) {
  const Json golden = read_json(test::golden("runtime/pair_fusion.json"), ErrorKind::data);
  int visited = 0;
  for (const auto& [name, g] : golden.items()) {
    const Json& s = g["shape"];
    const PairFusion::Shape shape = {s["kind"], s["in"], s["grid"], s["width"], s["hidden"]};
    PairFusionNet net(shape, 0, 0.3);
    std::vector<TensorToWrite> tensors = test::clip_weights(g, DType::f32);
    for (TensorToWrite& tensor : tensors)
      if (tensor.name == "projector.scale") tensor.values = {0.3f};
    net.params.load(SafeTensors::parse(encode_safetensors(tensors), "fusion"));
    const auto rows = [&](std::uint64_t which) {
      Rng rng(31 + which, Stream::test);
      std::vector<float> x(static_cast<std::size_t>(shape.rows() * shape.in));
      for (float& v : x) v = static_cast<float>(rng.normal());
      return at::tensor(x).view({1, shape.rows(), shape.in});
    };
    const PairFusionOut out = net.forward(rows(0), rows(1));
    const std::vector<float> want = g["embeddings"].get<std::vector<float>>();
    EXPECT_TRUE(close(name, to_floats(out.embeddings), want, kFloat));
    EXPECT_FALSE(close("the twin: swapped images", to_floats(net.forward(rows(1), rows(0)).embeddings), want, kFloat));
    EXPECT_EQ(out.map.defined(), shape.has_map());
    if (shape.has_map()) {
      std::vector<float> every_7th;
      const std::vector<float> map = to_floats(out.map);
      for (std::size_t i = 0; i < map.size(); i += 7) every_7th.push_back(map[i]);
      EXPECT_TRUE(close(name + " map", every_7th, g["map"].get<std::vector<float>>(), kFloat));
      const double flag = g["flag"];
      EXPECT_NEAR(out.flag.item<double>(), flag, 1e-5 * std::abs(flag) + 1e-6) << name;
    }
    ++visited;
  }
  EXPECT_EQ(visited, 4);
}

}  // namespace
}  // namespace cp
