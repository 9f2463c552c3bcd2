// The training engine's CLIP: against the runtime and transformers, and its gradients against finite differences.
#include "learn/clip_net.h"

#include <gtest/gtest-spi.h>

#include <chrono>
#include <iostream>

#include "gradient_check.h"
#include "runtime/clip_vit.h"
#include "runtime/random_clip.h"

namespace cp {
namespace {

using test::clip_golden;
using test::close;
using test::Tol;

const Tol kFloat = Tol::rel(1e-5, "float32 against float64, or in another order");

at::Tensor images(const std::vector<float>& pixels, std::int64_t count, std::int64_t side) {
  return at::tensor(pixels).view({count, 3, side, side});
}

TEST(ClipNet, EqualsTheRuntimeAndTransformersOnEveryShape) {
  at::NoGradGuard no_grad;
  int visited = 0;
  for (const auto& [name, model] : clip_golden().items()) {
    const std::filesystem::path folder = test::make_random_clip(model);
    const ClipNet net = ClipNet::load(folder);
    const int side = net.config().image_size;
    const std::vector<float> first = test::clip_pixels(model, side), second(first.rbegin(), first.rend());
    const ClipOut out = net.forward(at::cat({images(first, 1, side), images(second, 1, side)}));
    const ClipVit vit = ClipVit::load(folder);
    for (const std::int64_t i : {0, 1}) {
      const ClipVit::Features want = vit.forward(i == 0 ? first : second);
      EXPECT_TRUE(close(name + " pooled", to_floats(out.pooled[i]), want.pooled, kFloat));
      EXPECT_TRUE(close(name + " patches", to_floats(out.patches[i]), want.patches, kFloat));
    }
    const auto golden = [&](const char* key) { return model[key].get<std::vector<float>>(); };
    EXPECT_TRUE(close(name + " pooled", to_floats(out.pooled[0]), golden("pooled"), kFloat));
    EXPECT_TRUE(close(name + " patches", to_floats(out.patches[0]), golden("patches"), kFloat));
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(ClipNet, ChangedWeightsAreSeen) {
  at::NoGradGuard no_grad;
  const Json& model = clip_golden()["b16"];
  const std::filesystem::path folder = test::make_random_clip(model);
  const std::vector<float> pixels = test::clip_pixels(model, 48);
  const std::vector<float> want = ClipVit::load(folder).forward(pixels).pooled;
  int visited = 0;
  ClipNet net = ClipNet::load(folder);
  for (const std::string& name : net.params.names()) {
    const at::Tensor kept = net.params[name].clone();
    net.params[name].mul_(1.5);
    // What is added to all keys of a head changes no weight of the softmax.
    const bool matters = !name.ends_with("k_proj.bias");
    EXPECT_EQ(!close(name, to_floats(net.forward(images(pixels, 1, 48)).pooled), want, kFloat), matters) << name;
    net.params[name].copy_(kept);
    ++visited;
  }
  EXPECT_EQ(visited, 8 + 16 * 2);
}

TEST(ClipNet, RefusesWhatTheRuntimeRefuses) {
  const Json& model = clip_golden()["b16"];
  std::vector<TensorToWrite> tensors = test::clip_weights(model);
  tensors.pop_back();
  const std::filesystem::path folder = test::write_clip("clip", model["config"], tensors);
  EXPECT_TRUE(test::throws_user_error([&] { ClipNet::load(folder); }, ErrorKind::model,
                                      {"missing: visual_projection.weight [24, 32]"}));
}

// A loss that touches every output with weights of its own.
std::function<at::Tensor()> loss_of(const ClipNet& net, const at::Tensor& x) {
  return [&net, x] {
    const ClipOut out = net.forward(x);
    return test::weighted(out.pooled, 1) + test::weighted(out.patches, 2);
  };
}

TEST(Gradients, ClipWithEitherActivation) {
  for (const char* name : {"b16", "odd", "l14_gelu"}) {
    const Json& model = clip_golden()[name];
    ClipNet net = ClipNet::load(test::make_random_clip(model));
    net.params.to(at::kDouble);
    const int side = net.config().image_size;
    const auto loss = loss_of(net, test::random_doubles({2, 3, side, side}, 3));
    EXPECT_EQ(test::check_gradients(net.params, loss, 2), 2 * static_cast<int>(net.params.names().size())) << name;
  }
}

TEST(Gradients, AFaultPlantedInClipsIsSeen) {
  ClipNet net = ClipNet::load(test::make_random_clip(clip_golden()["b16"]));
  net.params.to(at::kDouble);
  const auto loss = loss_of(net, test::random_doubles({1, 3, 48, 48}, 3));
  ::testing::TestPartResultArray failures;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    test::check_gradients(net.params, loss, 1, 1.001);
  }
  EXPECT_GT(failures.size(), 0);
}

double largest_difference(const at::Tensor& got, const at::Tensor& want) {
  return ((got - want).abs().max() / want.abs().max()).item<double>();
}

TEST(ClipNet, EqualsTransformersAtFullSize) {
  CP_SKIP_WITHOUT_CLIP(full);
  at::NoGradGuard no_grad;
  const ClipNet net = ClipNet::load(full.folder);
  const at::Tensor x = images(full.values("pixel_values"), full.images, net.config().image_size);
  const ClipOut out = net.forward(x);
  const at::Tensor pooled = at::tensor(full.values("pooled")).view(out.pooled.sizes()),
                   patches = at::tensor(full.values("patches")).view(out.patches.sizes());
  EXPECT_TRUE(close("pooled", to_floats(out.pooled), to_floats(pooled), kFloat));
  EXPECT_TRUE(close("patches", to_floats(out.patches), to_floats(patches), kFloat));
  const auto seconds = [&](const at::Tensor& batch) {
    const auto begin = std::chrono::steady_clock::now();
    net.forward(batch);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  std::cout << "learn, relative to the largest: pooled " << largest_difference(out.pooled, pooled) << ", patches "
            << largest_difference(out.patches, patches) << "; one image " << seconds(x.slice(0, 0, 1)) << " s, "
            << full.images << " images " << seconds(x) << " s\n";
}

}  // namespace
}  // namespace cp
