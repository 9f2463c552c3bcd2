// The training engine's language model against transformers, padded batches and full size included.
#include "learn/language_net.h"

#include <algorithm>
#include <iostream>

#include <fmt/format.h>

#include "formats/int8_rows.h"
#include "formats/nf4.h"
#include "runtime/language_model.h"
#include "runtime/language_golden.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kFloat = Tol::rel(1e-5, "float32 against float64 through two layers");

LanguageNet make_net(const Json& golden) {
  const test::GoldenLanguage g = test::make_language(golden);
  LanguageNet net(g.config, 0, 0);
  net.load(g.file);
  return net;
}

// (B T) ids, padded with 0 on one side, and which of them are real.
struct Batch {
  at::Tensor ids, real;
};

Batch pad(const std::vector<std::vector<int>>& prompts, bool left) {
  std::int64_t width = 0;
  for (const auto& prompt : prompts) width = std::max(width, static_cast<std::int64_t>(prompt.size()));
  Batch batch{at::zeros({static_cast<std::int64_t>(prompts.size()), width}, at::kLong), {}};
  batch.real = at::zeros_like(batch.ids, at::kBool);
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    const auto length = static_cast<std::int64_t>(prompts[row].size());
    const std::int64_t begin = left ? width - length : 0, r = static_cast<std::int64_t>(row);
    batch.ids[r].slice(0, begin, begin + length).copy_(at::tensor(prompts[row], at::kLong));
    batch.real[r].slice(0, begin, begin + length).fill_(true);
  }
  return batch;
}

TEST(LanguageNet, EqualsTransformersInBothArchitecturesAndHoweverItIsPadded) {
  at::NoGradGuard no_grad;
  int visited = 0;
  for (const auto& [name, golden] : test::language_golden().items()) {
    const LanguageNet net = make_net(golden);
    const std::vector<std::vector<int>> prompts = golden["prompts"];
    for (const bool left : {true, false}) {
      const Batch batch = pad(prompts, left);
      KeyValues cache;
      const at::Tensor logits = net.logits(net.forward(net.embed(batch.ids), cache, false, batch.real));
      for (std::size_t row = 0; row < prompts.size(); ++row) {
        const auto r = static_cast<std::int64_t>(row);
        EXPECT_TRUE(close(name, to_floats(logits[r].index({batch.real[r]})),
                          golden["logits"][row].get<std::vector<float>>(), kFloat));
        ++visited;
      }
    }
  }
  EXPECT_EQ(visited, 30);
}

TEST(LanguageNet, APaddedCacheContinuesAsTheWholeDoes) {
  at::NoGradGuard no_grad;
  const Json& golden = test::language_golden()["llama"];
  const LanguageNet net = make_net(golden);
  const std::vector<std::vector<int>> prompts = golden["prompts"];
  const Batch batch = pad(prompts, true);
  const std::int64_t width = batch.ids.size(1), cut = width - 1;
  KeyValues cache;
  net.forward(net.embed(batch.ids.slice(1, 0, cut)), cache, false, batch.real.slice(1, 0, cut));
  const at::Tensor last = net.logits(net.forward(net.embed(batch.ids.slice(1, cut)), cache, false, batch.real));
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    const std::vector<float> all = golden["logits"][row];
    EXPECT_TRUE(close("last", to_floats(last[static_cast<std::int64_t>(row)][0]), std::span(all).last(37), kFloat));
  }
}

TEST(LanguageNet, PaddingThatIsNotDeclaredIsSeen) {
  at::NoGradGuard no_grad;
  const Json& golden = test::language_golden()["qwen2"];
  const LanguageNet net = make_net(golden);
  const Batch batch = pad(golden["prompts"], true);
  KeyValues cache;
  const at::Tensor logits = net.logits(net.forward(net.embed(batch.ids), cache, false));
  EXPECT_FALSE(close("logits", to_floats(logits[1].index({batch.real[1]})),
                     golden["logits"][1].get<std::vector<float>>(), kFloat));
}

// NF4 linear layers, int8 embedding, and an adapter on all seven: both engines compute the same.
TEST(LanguageNet, QuantisedAndAdaptedEqualsTheRuntime) {
  at::NoGradGuard no_grad;
  int visited = 0;
  for (const auto& [name, golden] : test::language_golden().items()) {
    LanguageConfig config = test::make_language(golden).config;
    const std::vector<LinearShape> linears = language_linears(config);
    std::vector<TensorToWrite> tensors;
    for (TensorToWrite& tensor : test::clip_weights(golden)) {
      const std::string prefix = tensor.name.substr(0, tensor.name.rfind('.'));
      const bool linear = std::any_of(linears.begin(), linears.end(),
                                      [&](const LinearShape& l) { return l.name + ".weight" == tensor.name; });
      if (linear)
        append_nf4(tensors, prefix,
                   quantize_nf4(tensor.values, static_cast<int>(tensor.shape[0]), static_cast<int>(tensor.shape[1]),
                                true, DType::bf16));
      else if (prefix == "model.embed_tokens")
        append_int8_rows(
            tensors, prefix,
            quantize_int8_rows(tensor.values, static_cast<int>(tensor.shape[0]), static_cast<int>(tensor.shape[1])));
      else
        tensors.push_back(std::move(tensor));
    }
    config.nf4 = Nf4Config{};
    const SafeTensors file = SafeTensors::parse(encode_safetensors(tensors), "test");
    LanguageModel model = LanguageModel::load(config, file);
    LanguageNet net(config, 0, 0);
    net.load(file);
    const std::vector<int> ids = golden["prompts"][0];
    const auto both_agree = [&](const Tol& tol) {
      LanguageModel::Cache cache;
      KeyValues values;
      return close(
          name, model.logits(model.prefill(model.embed(ids), cache)),
          to_floats(net.logits(net.forward(net.embed(at::tensor(ids, at::kLong).unsqueeze(0)), values, false))), tol);
    };
    EXPECT_TRUE(both_agree(kFloat));
    LoraConfig lora;
    lora.target_modules = {kAllLinear};
    net.lora.emplace(lora, linears, 3);
    for (const std::string& weight : net.lora->params.names()) net.lora->params[weight].uniform_(-0.2, 0.2);
    EXPECT_FALSE(both_agree(kFloat)) << "the twin: without the adapter";
    model.attach({lora, net.lora->modules()});
    EXPECT_TRUE(both_agree(kFloat));
    ++visited;
  }
  EXPECT_EQ(visited, 5);
}

TEST(LanguageNet, FullSizeEqualsTransformers) {
  CP_SKIP_WITHOUT_LANGUAGE(full, "CP_LANGUAGE");
  at::NoGradGuard no_grad;
  LanguageNet net(read_language_config(full.folder / "config.json"), 0, 0);
  net.load(SafeTensors::open(full.folder));
  const std::vector<int> ids = full.ints("ids");
  KeyValues cache;
  const at::Tensor logits = net.logits(net.forward(net.embed(at::tensor(ids, at::kLong).unsqueeze(0)), cache, false));
  const double error = test::relative_error(
      to_floats(logits),
      full.golden.floats("logits.float32", {static_cast<std::int64_t>(ids.size()), net.config().vocab_size}));
  std::cout << "logits against float32 " << error << "\n";
  EXPECT_LT(error, 1e-4);
}

// Real weights (smollm2_continue.py), token by token with a cache; and the logits after each prompt.
TEST(LanguageNet, ContinuesTextsAsTransformersDoes) {
  CP_SKIP_WITHOUT_LANGUAGE(full, "CP_SMOLLM2");
  at::NoGradGuard no_grad;
  LanguageNet net(read_language_config(full.folder / "config.json"), 0, 0);
  net.load(SafeTensors::open(full.folder));
  double error = 0;
  for (int i = 0; i < test::kContinuedPrompts; ++i) {
    const std::vector<int> want = full.ints(fmt::format("continuation.{}", i));
    std::vector<int> next = full.ints(fmt::format("ids.{}", i)), got;
    KeyValues cache;
    while (got.size() < want.size()) {
      const at::Tensor hidden = net.forward(net.embed(at::tensor(next, at::kLong).unsqueeze(0)), cache, false);
      const at::Tensor logits = net.logits(hidden.select(1, hidden.size(1) - 1));
      if (got.empty())
        error = std::max(error, test::relative_error(to_floats(logits), full.golden.floats(fmt::format("logits.{}", i),
                                                                                           {net.config().vocab_size})));
      next = {static_cast<int>(logits.argmax().item<std::int64_t>())};
      got.push_back(next[0]);
    }
    EXPECT_EQ(got, want) << "prompt " << i;
  }
  std::cout << "logits after the prompts against float32 " << error << "\n";
  EXPECT_LT(error, 1e-4);
}

}  // namespace
}  // namespace cp
