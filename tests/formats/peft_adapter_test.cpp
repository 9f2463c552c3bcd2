// LoRA adapters against PEFT: what they compute, and the folders written for it.
#include "formats/peft_adapter.h"

#include "core/file.h"
#include "core/json.h"
#include "formats/peft_golden.h"

namespace cp {
namespace {

using test::close;
using test::PeftGolden;
using test::throws_user_error;
using test::Tol;
using Modules = std::map<std::string, LoraModule>;

const Tol kSums = Tol::rel(1e-5, "float32 sums of up to 24 terms in another order");

// Without its reason for success, so that the planted faults below can ask for the opposite.
bool equal(const PeftGolden& golden, const std::string& name, const Modules& modules) {
  return close("delta", test::peft_outputs(golden, modules, false), golden.want(name, "delta"), kSums) ? true : false;
}

LoraModule swapped(const LoraModule& m) {  // A and B in each other's place
  LoraModule out = m;
  const std::size_t rank = static_cast<std::size_t>(m.rank), in = m.a.size() / rank, outs = m.b.size() / rank;
  out.a.clear(), out.b.clear();
  for (std::size_t k = 0; k < rank; ++k)
    for (std::size_t o = 0; o < outs; ++o) out.a.push_back(m.b[o * rank + k]);
  for (std::size_t i = 0; i < in; ++i)
    for (std::size_t k = 0; k < rank; ++k) out.b.push_back(m.a[k * in + i]);
  return out;
}

TEST(PeftAdapter, EqualsPeftInEveryCase) {
  const PeftGolden golden;
  EXPECT_EQ(golden.cases.size(), test::kPeftCases);
  for (const std::string& name : golden.cases) {
    const Adapter adapter = golden.read(name);
    const std::vector<float> delta = golden.want(name, "delta");
    EXPECT_TRUE(close(name + ", merged", test::peft_outputs(golden, adapter.modules, true), golden.want(name, "merged"),
                      kSums));
    EXPECT_TRUE(close(name + ", delta", test::peft_outputs(golden, adapter.modules, false), delta, kSums));
    EXPECT_GT(*std::max_element(delta.begin(), delta.end()), 0.1f) << name << " adapts nothing";
  }
}

TEST(PeftAdapter, APlainScaleOfARankStabilisedAdapterIsSeen) {
  const PeftGolden golden;
  for (const char* name : {"rslora", "rslora_seven", "patterns_rslora"}) {
    Adapter adapter = golden.read(name);
    EXPECT_TRUE(equal(golden, name, adapter.modules));
    adapter.config.use_rslora = false;
    for (auto& [module, lora] : adapter.modules) lora.scale = lora_scale(adapter.config, module);
    EXPECT_FALSE(equal(golden, name, adapter.modules)) << name;
  }
}

TEST(PeftAdapter, PatternsThatAreIgnoredAreSeen) {
  const PeftGolden golden;
  for (const char* name : {"alpha_pattern", "both_patterns", "patterns_rslora", "pattern_order", "pattern_order_kept",
                           "pattern_any_character", "rank_pattern", "whole_name_pattern"}) {
    Adapter adapter = golden.read(name);
    LoraConfig plain = adapter.config;
    plain.rank_pattern.clear(), plain.alpha_pattern.clear();
    for (auto& [module, lora] : adapter.modules) lora.scale = lora_scale(plain, module);
    EXPECT_FALSE(equal(golden, name, adapter.modules)) << name;
  }
}

TEST(PeftAdapter, SwappedMatricesAreSeen) {
  const PeftGolden golden;
  Modules modules;
  for (const auto& [module, lora] : golden.read("rslora_seven").modules)
    modules[module] = module.ends_with("q_proj") ? swapped(lora) : lora;  // square, so that the shapes agree
  EXPECT_FALSE(equal(golden, "rslora_seven", modules));
}

TEST(PeftAdapter, UnmergingReturnsTheWeightsWithinTheStatedBound) {
  const PeftGolden golden;
  std::size_t modules = 0;
  for (const std::string& name : golden.cases)
    for (const LinearShape& linear : golden.linears) {
      const Adapter adapter = golden.read(name);
      const auto found = adapter.modules.find(linear.name);
      if (found == adapter.modules.end()) continue;
      const std::vector<float> start = golden.weight(linear);
      std::vector<float> weight = start, delta(start.size());
      add_lora(delta, found->second);
      add_lora(weight, found->second);
      EXPECT_NE(weight, start);
      add_lora(weight, found->second, -1);
      double largest = 0, largest_delta = 0;
      for (std::size_t i = 0; i < start.size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(start[i])));
        largest_delta = std::max(largest_delta, std::abs(static_cast<double>(delta[i])));
      }
      EXPECT_TRUE(close(linear.name, weight, start,
                        Tol::abs(std::ldexp(largest + largest_delta, -23), "two additions, each rounded once")));
      ++modules;
    }
  EXPECT_EQ(modules, 147u);
}

TEST(PeftAdapter, WritesWhatItReads) {
  const PeftGolden golden;
  for (const std::string& name : golden.cases) {
    const Adapter adapter = golden.read(name);
    const std::filesystem::path folder = test::fresh_folder("adapter") / "made";
    write_adapter(folder, adapter.config, adapter.modules);
    const Adapter again = read_adapter(folder, golden.linears);
    EXPECT_EQ(lora_config_text(again.config), lora_config_text(adapter.config));
    ASSERT_EQ(again.modules.size(), adapter.modules.size()) << name;
    for (const auto& [module, lora] : adapter.modules) {
      EXPECT_EQ(again.modules.at(module).a, lora.a);
      EXPECT_EQ(again.modules.at(module).b, lora.b);
      EXPECT_EQ(again.modules.at(module).rank, lora.rank);
      EXPECT_EQ(again.modules.at(module).scale, lora.scale);
    }
  }
}

TEST(PeftAdapter, WeightsAreWrittenByteForByteAsPeftDoes) {
  const PeftGolden golden;
  const auto bytes = [](const std::filesystem::path& folder) {
    return read_file(folder / "adapter_model.safetensors", 1 << 20, ErrorKind::model);
  };
  const std::filesystem::path folder = test::fresh_folder("adapter");
  for (const auto& [name, dtype] :
       std::map<std::string, DType>{{"seven", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}}) {
    const Adapter adapter = golden.read(name);
    write_adapter(folder, adapter.config, adapter.modules, dtype);
    EXPECT_EQ(bytes(folder), bytes(golden.folder(name))) << name;
  }
  const Adapter halves = golden.read("f16");
  write_adapter(folder, halves.config, halves.modules);
  EXPECT_NE(bytes(folder), bytes(golden.folder("f16")));
}

TEST(PeftAdapter, ValuesThatWouldNotBeFiniteAreNotWritten) {
  const PeftGolden golden;
  Adapter adapter = golden.read("q_v");
  const std::filesystem::path folder = test::fresh_folder("adapter") / "made";
  const auto write = [&](DType dtype) { write_adapter(folder, adapter.config, adapter.modules, dtype); };
  adapter.modules.begin()->second.b[3] = 65520;  // rounds to infinity in fp16
  EXPECT_TRUE(
      throws_user_error([&] { write(DType::f16); }, ErrorKind::numeric, {"layers.0.self_attn.q_proj.lora_B", "F16"}));
  EXPECT_FALSE(std::filesystem::exists(folder));
  write(DType::bf16);
  adapter.modules.begin()->second.a[0] = NAN;
  EXPECT_TRUE(throws_user_error([&] { write(DType::f32); }, ErrorKind::numeric, {"layers.0.self_attn.q_proj.lora_A"}));
}

TEST(LoraTargets, AllLinearIsEveryModuleButTheOutput) {
  std::vector<LinearShape> base = language_linears(test::peft_language());
  base.push_back({"lm_head", 11, 16});
  LoraConfig config;
  config.target_modules = {kAllLinear};
  const std::vector<LinearShape> targets = lora_targets(base, config);
  EXPECT_EQ(targets.size(), 14u);
  for (const LinearShape& target : targets) EXPECT_NE(target.name, "lm_head");
  config.target_modules = {"lm_head"};  // by name it may be meant
  EXPECT_EQ(lora_targets(base, config).size(), 1u);
}

TEST(LoraTargets, NamesThatAreNotInTheModelAreRefused) {
  const std::vector<LinearShape> base = language_linears(test::peft_language());
  const auto refused = [&](const LoraConfig& config, std::initializer_list<const char*> parts) {
    return throws_user_error([&] { lora_targets(base, config); }, ErrorKind::model, parts);
  };
  LoraConfig config;
  EXPECT_EQ(lora_targets(base, config).size(), 4u);
  config.target_modules = {"q_proj", "query"};
  EXPECT_TRUE(refused(config, {"target_modules", "query"}));
  config.target_modules = {"proj"};  // ends of names end at a dot
  EXPECT_TRUE(refused(config, {"target_modules", "proj"}));
  config = LoraConfig();
  config.rank_pattern = {{"w_proj", 4}};
  EXPECT_TRUE(refused(config, {"rank_pattern", "w_proj"}));
  config = LoraConfig();
  config.alpha_pattern = {{"^q_proj", 4}};
  EXPECT_TRUE(refused(config, {"alpha_pattern", "^q_proj"}));
  config = LoraConfig();
  config.layers_to_transform = {1, 2};
  EXPECT_TRUE(refused(config, {"layers_to_transform", "2"}));
}

TEST(LanguageLinears, AreThoseOfTheFileInTheOrderOfComputation) {
  const PeftGolden golden;
  std::size_t in_file = 0;
  for (const auto& [name, view] : golden.base.tensors()) in_file += name.ends_with("_proj.weight");
  EXPECT_EQ(golden.linears.size(), in_file);
  for (const LinearShape& linear : golden.linears)
    EXPECT_EQ(golden.base.get(linear.name + ".weight", {-1, -1}).shape,
              (std::vector<std::int64_t>{linear.out, linear.in}));
  EXPECT_EQ(golden.linears[7].name, "model.layers.1.self_attn.q_proj");
  EXPECT_EQ(golden.linears[13].name, "model.layers.1.mlp.down_proj");
}

}  // namespace
}  // namespace cp
