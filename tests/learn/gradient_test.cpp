// Gradients of every network in learn/ against finite differences in float64.
#include <cmath>

#include "gradient_check.h"
#include "learn/adamw.h"
#include "learn/fusion_net.h"
#include "learn/head_net.h"
#include "learn/language_net.h"
#include "learn/lora.h"
#include "learn/stages.h"

#include <gtest/gtest-spi.h>

namespace cp {
namespace {

using test::check_gradients;
using test::weighted;

at::Tensor random(at::IntArrayRef shape, std::uint64_t n) { return test::random_doubles(shape, n); }

FeatureBatch features(std::uint64_t n) {
  return {random({2, 40, 32, 32}, n), random({2, 112, 16, 16}, n + 1), random({2, 320, 8, 8}, n + 2)};
}

LanguageConfig tiny_config() {
  LanguageConfig c;
  c.hidden_size = 16, c.num_hidden_layers = 2, c.num_attention_heads = 4, c.num_key_value_heads = 2;
  c.intermediate_size = 24, c.vocab_size = 11, c.head_dim = 4, c.tie_word_embeddings = true;
  return c;
}

TEST(Gradients, Fusion) {
  FusionNet net(1);
  net.params.to(at::kDouble);
  const FeatureBatch a = features(10), b = features(20);
  const auto loss = [&] {
    const FusionOut out = net.forward(a, b, false);
    return weighted(out.map, 1) + weighted(out.flag, 2) + weighted(out.fused, 3);
  };
  EXPECT_EQ(check_gradients(net.params, loss, 2), 2 * static_cast<int>(net.params.names().size()));
}

TEST(Gradients, Projector) {
  FusionNet fusion(1);
  Projector net(1, 16, 5);
  fusion.params.to(at::kDouble);
  net.params.to(at::kDouble);
  const FeatureBatch a = features(10), b = features(20);
  const FusionOut fused = fusion.forward(a, b, false);
  const auto loss = [&] {
    const ProjectorOut out = net.forward(a, b, fused, false);
    const at::Tensor all = net.embeddings(out.grid, at::tensor({0, 1}, at::kLong), out.concepts.sigmoid());
    return weighted(all, 1) + weighted(out.concepts, 2);
  };
  EXPECT_EQ(check_gradients(net.params, loss, 2), 2 * static_cast<int>(net.params.names().size()));
}

TEST(Gradients, Qwen2AndTheCaptionLoss) {
  LanguageNet net(tiny_config(), 1, 0.0);
  net.params.to(at::kDouble);
  const at::Tensor prompt = random({2, 5, 16}, 1) * 0.1;
  const std::vector<std::vector<int>> captions = {{1, 2, 3}, {4, 5}, {6, 7, 8, 9}, {10}};
  const auto loss = [&] { return caption_loss(net, prompt, captions, 2, 0.05, false); };
  EXPECT_EQ(check_gradients(net.params, loss, 3), 3 * static_cast<int>(net.params.names().size()));
}

HiddenBatch random_hidden() {
  HiddenBatch h;
  h.grid = random({2, 16, 16}, 1), h.last = random({2, 16}, 2), h.read = random({2, 4, 16}, 7);
  set_map(h, random({2, 64, 64}, 5), random({2}, 6));
  return h;
}

// What a head's training loss is a function of, for any kind.
at::Tensor head_output(const HeadNet& net, const HiddenBatch& hidden) {
  const at::Tensor x = random({2, 2, 3}, 3), time = at::tensor({0.3, 0.9, 0.02, 0.6}, at::kDouble).view({2, 2, 1});
  const HeadNet::Condition c = net.condition(hidden);
  const std::string& kind = net.shape().kind;
  if (kind == "flow") return weighted(net.velocity(x, time, c, 0, false), 4);
  if (kind == "regression") return weighted(net.regress(c), 4);
  if (kind == "heatmap") return weighted(c.places.log_density(x), 4) + weighted(c.places.log_action(x), 5);
  return weighted(net.denoise(x, at::tensor({3, 700, 40, 999}, at::kLong).view({2, 2}), 1 - time, c, 0, false), 4);
}

TEST(Gradients, HeadOfEveryKindAndCondition) {
  int heads = 0;
  const HiddenBatch hidden = random_hidden();
  for (const std::string kind : {"diffusion", "flow", "regression", "heatmap"})
    for (const std::string condition : {"none", "last_token", "pooled", "visual_attention", "queries", "visual_grid"})
      for (const std::string evidence : {"hidden", "map", "hidden+map"}) {
        if (condition != "visual_grid" && evidence != "hidden") continue;
        HeadNet net(1, {kind, condition, evidence, 4, 16});
        net.params.to(at::kDouble);
        const auto loss = [&] { return head_output(net, hidden); };
        EXPECT_EQ(check_gradients(net.params, loss, 2), 2 * static_cast<int>(net.params.names().size()))
            << kind << ' ' << condition << ' ' << evidence;
        ++heads;
      }
  EXPECT_EQ(heads, 4 * 8);
}

TEST(Gradients, LoraThroughTwoModules) {
  LoraConfig config;
  config.r = 3, config.use_rslora = true, config.rank_pattern = {{"layers.1.self_attn.q_proj", 2}};
  config.target_modules = {"q_proj"};
  LoraSet lora(config, language_linears(tiny_config()), 1);
  lora.params.to(at::kDouble);
  at::Tensor x = random({2, 5, 16}, 1);
  {
    at::NoGradGuard no_grad;
    for (const std::string& name : lora.params.names())  // B starts at 0, and with it the gradient of A
      lora.params[name].copy_(random(lora.params[name].sizes(), 2) * 0.3);
  }
  const auto loss = [&] {
    const at::Tensor h = x + lora.delta(x, "model.layers.0.self_attn.q_proj", false);
    return weighted(at::silu(h) + lora.delta(at::silu(h), "model.layers.1.self_attn.q_proj", false), 3);
  };
  EXPECT_EQ(check_gradients(lora.params, loss, 6), 6 * 4);
}

TEST(Gradients, APlantedFaultIsSeen) {
  HeadNet net(1, {"diffusion", "last_token", "hidden", 4, 16});
  net.params.to(at::kDouble);
  const HiddenBatch hidden = random_hidden();
  const auto loss = [&] { return head_output(net, hidden); };
  // Gradients scaled by 1.001 must fail: the check itself is run in a child test result.
  ::testing::TestPartResultArray failures;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    check_gradients(net.params, loss, 2, 1.001);
  }
  EXPECT_GT(failures.size(), 0);
}

TEST(LanguageNet, CachedStepsEqualOnePass) {
  LanguageNet net(tiny_config(), 1, 0.0);
  at::NoGradGuard no_grad;
  const at::Tensor x = random({2, 6, 16}, 1).to(at::kFloat);
  KeyValues whole_cache, cache;
  const at::Tensor whole = net.forward(x, whole_cache, false);
  const at::Tensor first = net.forward(x.slice(1, 0, 4), cache, false),
                   second = net.forward(x.slice(1, 4), cache, false);
  EXPECT_TRUE(test::close("hidden", to_floats(at::cat({first, second}, 1)), to_floats(whole),
                          test::Tol::rel(1e-5, "float32 sums in another order")));
}

// Loshchilov and Hutter 2019, algorithm 2, in plain doubles.
TEST(AdamW, EqualsTheFormulaOverThreeSteps) {
  ParamSet set(3);
  set.add_normal("w", {3}, 1.0);
  AdamWOptions o;
  o.weight_decay = 0.1;
  AdamW adam(o);
  adam.add_group(set, 2.0, "");
  std::vector<float> start = to_floats(set["w"]);
  std::vector<double> w(start.begin(), start.end()), m(3, 0), v(3, 0);
  for (int step = 1; step <= 3; ++step) {
    adam.zero_grad();
    (set["w"].pow(3) / 3).sum().backward();
    adam.step(0.01);
    for (std::size_t i = 0; i < 3; ++i) {
      const double g = w[i] * w[i], lr = 0.02;
      m[i] = 0.9 * m[i] + 0.1 * g, v[i] = 0.999 * v[i] + 0.001 * g * g;
      w[i] -= lr * 0.1 * w[i] +
              lr * (m[i] / (1 - std::pow(0.9, step))) / (std::sqrt(v[i] / (1 - std::pow(0.999, step))) + 1e-8);
    }
  }
  const std::vector<float> want(w.begin(), w.end());
  EXPECT_TRUE(test::close("w", to_floats(set["w"]), want, test::Tol::abs(1e-6, "float32 against double")));
}

TEST(AdamW, ClipsTheJointNormAndLeavesNonFiniteGradientsAlone) {
  ParamSet set(3);
  set.add_constant("a", {1}, 0.0);
  set.add_constant("b", {1}, 0.0);
  AdamW adam({});
  adam.add_group(set, 1.0, "");
  (3 * set["a"] + 4 * set["b"]).sum().backward();
  EXPECT_DOUBLE_EQ(adam.clip_gradients(1.0), 5.0);
  EXPECT_NEAR(set["a"].grad().item<double>(), 0.6, 1e-7);
  EXPECT_NEAR(set["b"].grad().item<double>(), 0.8, 1e-7);
  set["a"].mutable_grad().fill_(std::numeric_limits<float>::infinity());
  EXPECT_FALSE(std::isfinite(adam.clip_gradients(1.0)));
  EXPECT_NEAR(set["b"].grad().item<double>(), 0.8, 1e-7);
}

}  // namespace
}  // namespace cp
