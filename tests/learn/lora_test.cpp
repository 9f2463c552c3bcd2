// Trainable LoRA against PEFT's layers, and whole models with a merged adapter against PEFT's.
#include "learn/lora.h"

#include "core/error.h"
#include "formats/peft_golden.h"
#include "learn/adamw.h"
#include "learn/language_net.h"

namespace cp {
namespace {

using test::close;
using test::PeftGolden;
using test::Tol;

const Tol kSums = Tol::rel(1e-5, "float32 sums of up to 24 terms in another order");
const std::string kQ0 = "model.layers.0.self_attn.q_proj";

at::Tensor probe(std::int64_t width) { return at::tensor(test::peft_probe(width)); }

// delta() of the probe for every linear module in order, 0 where there is no adapter.
std::vector<float> deltas(const PeftGolden& golden, const LoraSet& lora) {
  std::vector<float> all;
  for (const LinearShape& linear : golden.linears) {
    const std::vector<float> y = lora.has(linear.name) ? to_floats(lora.delta(probe(linear.in), linear.name, false))
                                                       : std::vector<float>(static_cast<std::size_t>(linear.out));
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}

LoraSet loaded(const PeftGolden& golden, const Adapter& adapter) {
  LoraSet lora(adapter.config, golden.linears, 1);
  lora.load(adapter.modules);
  return lora;
}

// Logits of the oracle's tokens, of the golden model with the adapter merged into its weights.
std::vector<float> merged_logits(const PeftGolden& golden, const std::map<std::string, LoraModule>& modules) {
  LanguageNet net(test::peft_language(), 1, 0.0);
  net.params.load(golden.base);
  at::NoGradGuard no_grad;
  for (const auto& [name, lora] : modules) {
    at::Tensor& weight = net.params[name + ".weight"];
    add_lora({weight.data_ptr<float>(), static_cast<std::size_t>(weight.numel())}, lora);
  }
  KeyValues cache;
  const at::Tensor ids = at::tensor({1, 5, 2, 9, 10, 3}, at::kLong).unsqueeze(0);
  return to_floats(net.logits(net.forward(net.embed(ids), cache, false)));
}

// Moves every weight off its start, B's zeros too.
void randomise(LoraSet& lora, std::uint64_t seed) {
  at::NoGradGuard no_grad;
  ParamSet noise(seed);
  for (const std::string& name : lora.params.names()) {
    noise.add_normal(name, lora.params[name].sizes(), 0.3);
    lora.params[name].copy_(noise[name]);
  }
}

TEST(LoraSet, DeltaEqualsPeftInEveryCase) {
  const PeftGolden golden;
  EXPECT_EQ(golden.cases.size(), test::kPeftCases);
  for (const std::string& name : golden.cases)
    EXPECT_TRUE(close(name, deltas(golden, loaded(golden, golden.read(name))), golden.want(name, "delta"), kSums));
}

TEST(LoraSet, APlantedScaleOrSwapIsSeen) {
  const PeftGolden golden;
  Adapter adapter = golden.read("rslora_seven");
  LoraSet lora = loaded(golden, adapter);
  {
    at::NoGradGuard no_grad;  // q_proj is square here: A becomes B^T and B becomes A^T
    at::Tensor &a = lora.params[lora_tensor_name(kQ0, 'A')], &b = lora.params[lora_tensor_name(kQ0, 'B')];
    const at::Tensor kept = a.t().clone();
    a.copy_(b.t());
    b.copy_(kept);
  }
  EXPECT_FALSE(close("swapped", deltas(golden, lora), golden.want("rslora_seven", "delta"), kSums));
  adapter.config.use_rslora = false;  // alpha/r
  for (auto& [module, values] : adapter.modules) values.scale = lora_scale(adapter.config, module);
  EXPECT_FALSE(close("alpha/r", deltas(golden, loaded(golden, adapter)), golden.want("rslora_seven", "delta"), kSums));
}

TEST(LoraSet, MergedModelsHaveTheLogitsOfPeft) {
  const PeftGolden golden;
  const std::vector<float> plain = merged_logits(golden, {});
  for (const std::string& name : golden.cases) {
    const std::vector<float> want = golden.want(name, "logits");
    EXPECT_TRUE(close(name, merged_logits(golden, golden.read(name).modules), want,
                      Tol::rel(1e-5, "float32 sums through two layers; the adapter beside the weights or in them")));
    EXPECT_FALSE(close(name, plain, want, Tol::rel(1e-3, "a model without its adapter"))) << name;
  }
}

TEST(LoraSet, StartsAtExactlyZeroWithTheUsualStartOfA) {
  LoraConfig config;
  config.target_modules = {kAllLinear};
  const PeftGolden golden;
  const LoraSet lora(config, golden.linears, 3), again(config, golden.linears, 3), other(config, golden.linears, 4);
  EXPECT_EQ(lora.params.names().size(), 28u);
  for (const float value : deltas(golden, lora)) EXPECT_EQ(value, 0.0f);
  const std::string a = lora_tensor_name("model.layers.1.mlp.down_proj", 'A');
  EXPECT_EQ(to_floats(lora.params[a]), to_floats(again.params[a]));
  EXPECT_NE(to_floats(lora.params[a]), to_floats(other.params[a]));
  const double bound = 1 / std::sqrt(24.0), n = 8 * 24;
  EXPECT_LE(lora.params[a].abs().max().item<double>(), bound);
  EXPECT_GT(lora.params[a].abs().max().item<double>(), 0.95 * bound);
  // Variance of U(-bound, bound) is bound^2/3; its estimate has a relative deviation of sqrt(0.8/n).
  EXPECT_NEAR(lora.params[a].pow(2).mean().item<double>(), bound * bound / 3,
              4 * bound * bound / 3 * std::sqrt(0.8 / n));
}

TEST(LoraSet, DropoutIsAFunctionOfTheSeedAndKeepsTheMean) {
  LoraConfig config;
  config.dropout = 0.25;
  const PeftGolden golden;
  LoraSet lora(config, golden.linears, 1);
  randomise(lora, 2);
  const at::Tensor x = probe(16).expand({4000, 16});
  const auto draw = [&](std::uint64_t seed) {
    at::manual_seed(seed);
    return lora.delta(x, kQ0, true);
  };
  const at::Tensor first = draw(1);
  draw(2);
  EXPECT_EQ(to_floats(draw(1)), to_floats(first));
  EXPECT_NE(to_floats(draw(2)), to_floats(first));
  const at::Tensor plain = lora.delta(x, kQ0, false);
  EXPECT_TRUE(
      close("no dropout outside training", to_floats(plain[0]), to_floats(lora.delta(probe(16), kQ0, false)), kSums));
  const at::Tensor error = first.std(0) / std::sqrt(4000.0);
  EXPECT_LT(((first.mean(0) - plain[0]) / error).abs().max().item<double>(), 5);  // 16 outputs, five deviations
  EXPECT_GT(error.min().item<double>(), 0);
}

TEST(LoraSet, HalvesAreMultipliedAsHalves) {
  const PeftGolden golden;
  const LoraSet lora = loaded(golden, golden.read("seven"));
  const at::Tensor x = probe(16).to(at::kBFloat16);
  const at::Tensor y = lora.delta(x, kQ0, false);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const std::vector<float> wide = to_floats(lora.delta(x.to(at::kFloat), kQ0, false));
  EXPECT_TRUE(close("y", to_floats(y), wide, Tol::rel(2e-2, "bfloat16 weights, inner values and sums")));
  EXPECT_FALSE(close("the twin: not float32", to_floats(y), wide, Tol::rel(1e-4, "far")));
}

TEST(LoraSet, LearnsALowRankMap) {
  const PeftGolden golden;
  LoraConfig config;
  config.r = 2, config.target_modules = {kQ0};
  LoraSet lora(config, golden.linears, 1), target(config, golden.linears, 2);
  randomise(target, 5);
  ParamSet data(7);
  data.add_normal("x", {64, 16}, 1.0);
  const at::Tensor x = data["x"].detach(), want = target.delta(x, kQ0, false).detach();
  AdamW adam({});
  adam.add_group(lora.params, 1.0, "");
  const auto loss = [&] { return (lora.delta(x, kQ0, false) - want).pow(2).mean(); };
  const double start = loss().item<double>();
  for (int step = 0; step < 300; ++step) {
    adam.zero_grad();
    loss().backward();
    adam.step(0.02);
  }
  EXPECT_LT(loss().item<double>(), 1e-3 * start);
}

// Read back here and, by hand, in PEFT: CP_ADAPTERS_OUT=FOLDER test_learn --gtest_filter='*AdapterFolders*', then
// tests/oracle/peft_adapters.py --check FOLDER.
TEST(LoraSet, AdapterFoldersReadBackWithTheSameLogits) {
  const PeftGolden golden;
  const char* out = std::getenv("CP_ADAPTERS_OUT");
  const std::filesystem::path root = out ? std::filesystem::path(out) : test::fresh_folder("adapters");
  const auto check = [&](const std::string& name, const LoraSet& lora, DType dtype) {
    const std::filesystem::path folder = root / name;
    write_adapter(folder, lora.config(), lora.modules(), dtype);
    const Adapter adapter = read_adapter(folder, golden.linears);
    const LoraSet again = loaded(golden, adapter);
    EXPECT_TRUE(dtype != DType::f32 || deltas(golden, again) == deltas(golden, lora)) << name;
    const std::vector<float> merged = test::peft_outputs(golden, adapter.modules, true),
                             logits = merged_logits(golden, adapter.modules);
    write_safetensors(folder / "ours.safetensors",
                      {{"merged", {static_cast<std::int64_t>(merged.size())}, merged}, {"logits", {6, 11}, logits}});
  };
  for (const std::string& name : golden.cases) check("read_" + name, loaded(golden, golden.read(name)), DType::f32);
  std::size_t made = 0;
  for (const bool rslora : {false, true})
    for (const std::vector<std::string>& targets :
         {std::vector<std::string>{"q_proj", "v_proj"}, {kAllLinear}, {"mlp.down_proj", "layers.0.self_attn.k_proj"}})
      for (const int rank : {1, 5}) {
        LoraConfig config;
        config.r = rank, config.use_rslora = rslora, config.target_modules = targets;
        LoraSet lora(config, golden.linears, 1);
        randomise(lora, ++made);
        check("made_" + std::to_string(made), lora, made % 3 == 0 ? DType::bf16 : DType::f32);
      }
  LoraConfig config;
  config.rank_pattern = {{"^model.layers.1.self_attn.q_proj", 3}, {"q_proj", 2}};
  config.alpha_pattern = {{"layers.1.self_attn.v_proj", 0.5}};
  config.layers_to_transform = {1};
  LoraSet patterns(config, golden.linears, 1);
  randomise(patterns, 99);
  check("made_patterns", patterns, DType::f16);
  EXPECT_EQ(made, 12u);
}

}  // namespace
}  // namespace cp
