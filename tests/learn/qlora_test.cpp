// Training on a frozen base: against transformers + peft + bitsandbytes, packed against unpacked, gradients.
#include <map>

#include "formats/nf4.h"
#include "gradient_check.h"
#include "learn/adamw.h"
#include "learn/answer_loss.h"
#include "learn/language_net.h"
#include "runtime/language_golden.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Json& golden() {
  static const Json all = read_json(test::golden("learn/qlora_steps.json"), ErrorKind::data);
  return all;
}

SafeTensors base_file(const std::string& model, bool nf4) {
  std::vector<TensorToWrite> tensors;
  const std::vector<LinearShape> linears = language_linears(test::make_language(test::language_golden()[model]).config);
  for (TensorToWrite& t : test::clip_weights(test::language_golden()[model], DType::f32)) {
    const auto linear = std::find_if(linears.begin(), linears.end(),
                                     [&](const LinearShape& l) { return l.name + ".weight" == t.name; });
    if (nf4 && linear != linears.end())
      append_nf4(tensors, linear->name,
                 quantize_nf4(t.values, static_cast<int>(linear->out), static_cast<int>(linear->in), true, DType::f32));
    else
      tensors.push_back(std::move(t));
  }
  return SafeTensors::parse(encode_safetensors(tensors), "base");
}

// The frozen base with the adapter that the golden run starts from.
LanguageNet make_net(const Json& base) {
  const std::string model = base["model"];
  LanguageConfig config = test::make_language(test::language_golden()[model]).config;
  if (base["nf4"].get<bool>()) config.nf4 = Nf4Config{};
  LanguageNet net = LanguageNet::load_frozen(config, base_file(model, base["nf4"]));
  LoraConfig lora;
  lora.r = golden()["rank"];
  lora.alpha = golden()["alpha"];
  lora.dropout = 0;
  net.lora.emplace(lora, language_linears(config), 0);
  at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < base["order"].size(); ++i) {
    at::Tensor& weight = net.lora->params[base["order"][i].get<std::string>()];
    Rng rng(21, Stream::test, 0, 500 + i);
    const double scale = 2 / std::sqrt(static_cast<double>(weight.size(1)));
    float* to = weight.data_ptr<float>();
    for (std::int64_t k = 0; k < weight.numel(); ++k)
      to[k] = static_cast<float>(0.1 * half_to_float(float_to_half(static_cast<float>(scale * rng.normal()))));
  }
  return net;
}

struct Sample {
  std::vector<int> ids;
  std::int64_t answer;
};

const std::vector<Segment> kApart = {{7, {}}, {4, {}}, {9, {}}};  // the golden samples' lengths

std::vector<Sample> samples() {
  std::vector<Sample> out;
  for (const Json& s : golden()["samples"]) out.push_back({s[0].get<std::vector<int>>(), s[1].get<std::int64_t>()});
  return out;
}

at::Tensor ids_of(const std::vector<Sample>& all) {
  std::vector<int> ids;
  for (const Sample& s : all) ids.insert(ids.end(), s.ids.begin(), s.ids.end());
  return at::tensor(ids, at::kLong).unsqueeze(0);
}

// Mean loss of the answers' tokens of samples that are packed into one row.
at::Tensor packed_loss(const LanguageNet& net, const std::vector<Sample>& all, std::int64_t chunk = 4) {
  std::vector<Segment> segments;
  std::vector<std::int64_t> places, labels;
  std::int64_t begin = 0;
  for (const Sample& s : all) {
    const auto length = static_cast<std::int64_t>(s.ids.size());
    for (std::int64_t i = length - s.answer; i < length; ++i) {
      places.push_back(begin + i - 1);
      labels.push_back(s.ids[static_cast<std::size_t>(i)]);
    }
    segments.push_back({length, {}});
    begin += length;
  }
  const at::ScalarType dtype = net.lora->params[net.lora->params.names().front()].scalar_type();
  const at::Tensor hidden = net.forward_packed(net.embed(ids_of(all)).to(dtype), segments, false)[0];
  return answer_loss(hidden.index_select(0, at::tensor(places, at::kLong)), at::tensor(labels, at::kLong),
                     net.frozen_head(), golden()["smoothing"], chunk);
}

using Gradients = std::map<std::string, std::vector<float>>;

Gradients gradients(LanguageNet& net, const at::Tensor& loss) {
  for (const std::string& name : net.lora->params.names()) net.lora->params[name].mutable_grad().reset();
  loss.backward();
  Gradients out;
  for (const std::string& name : net.lora->params.names()) out[name] = to_floats(net.lora->params[name].grad());
  return out;
}

TEST(Qlora, TenStepsEqualTransformersAndPeft) {
  int visited = 0;
  for (const auto& [name, base] : golden()["bases"].items()) {
    LanguageNet net = make_net(base);
    AdamW optimiser({0.9, 0.999, 1e-8, golden()["decay"]});
    optimiser.add_group(net.lora->params, 1.0, "");
    for (const Json& step : base["steps"]) {
      optimiser.zero_grad();
      const at::Tensor loss = packed_loss(net, samples());
      EXPECT_NEAR(loss.item<double>(), step["loss"].get<double>(), 1e-5 * 6) << name << ", step " << visited;
      loss.backward();
      if (step.contains("gradients")) {
        for (const auto& [weight, want] : step["gradients"].items())
          EXPECT_TRUE(close(name + " " + weight, to_floats(net.lora->params[weight].grad()),
                            want.get<std::vector<float>>(),
                            Tol::rel(1e-4, "float32 sums in another order, ten updates of Adam")));
      }
      optimiser.step(golden()["rate"]);
      ++visited;
    }
  }
  EXPECT_EQ(visited, 30);
}

TEST(Qlora, AnotherBaseIsSeen) {
  Json dense = golden()["bases"]["nf4"];
  dense["nf4"] = false;
  EXPECT_GT(std::abs(packed_loss(make_net(dense), samples()).item<double>() - dense["steps"][0]["loss"].get<double>()),
            1e-3);
}

TEST(Qlora, PackedEqualsOneByOne) {
  LanguageNet net = make_net(golden()["bases"]["llama_nf4"]);
  net.params.to(at::kDouble);
  net.lora->params.to(at::kDouble);
  const std::vector<Sample> all = samples();
  const at::Tensor packed = packed_loss(net, all);
  const Gradients got = gradients(net, packed);
  at::Tensor sum = at::zeros({}, at::kDouble);
  std::int64_t tokens = 0;
  for (const Sample& s : all) {
    sum = sum + packed_loss(net, {s}) * static_cast<double>(s.answer);
    tokens += s.answer;
  }
  const at::Tensor single = sum / static_cast<double>(tokens);
  EXPECT_NEAR(packed.item<double>(), single.item<double>(), 1e-12);
  const Gradients want = gradients(net, single);
  int visited = 0;
  for (const auto& [name, values] : want) {
    EXPECT_TRUE(close(name, got.at(name), values, Tol::rel(1e-6, "float64 sums, compared as float32")));
    ++visited;
  }
  EXPECT_EQ(visited, 8);

  // The twin: one long sample instead of three.
  KeyValues cache;
  const at::Tensor x = net.embed(ids_of(all)).to(at::kDouble);
  const at::Tensor blended = net.forward(x, cache, false);
  const at::Tensor apart = net.forward_packed(x, kApart, false);
  EXPECT_TRUE(
      close("first", to_floats(blended.slice(1, 0, 7)), to_floats(apart.slice(1, 0, 7)), Tol::rel(1e-5, "same")));
  EXPECT_FALSE(
      close("second", to_floats(blended.slice(1, 7, 11)), to_floats(apart.slice(1, 7, 11)), Tol::rel(1e-2, "far")));
}

// Prompts with several answers in one row: hidden states and gradients as if each answer stood alone behind its prompt.
TEST(Qlora, SharedPromptsEqualOneRowAnAnswer) {
  LanguageNet net = make_net(golden()["bases"]["llama_nf4"]);
  net.params.to(at::kDouble);
  net.lora->params.to(at::kDouble);
  const std::vector<Segment> segments = {{4, {3, 1, 2}}, {5, {}}, {2, {4}}, {0, {2, 3}}, {3, {2, 2}}};
  std::int64_t total = 0;
  for (const Segment& s : segments) total += s.length();
  const at::Tensor x = test::random_doubles({1, total, 24}, 11), weights = test::random_doubles({total, 24}, 12);
  const at::Tensor packed = net.forward_packed(x, segments, false)[0];
  const Gradients got = gradients(net, (packed * weights).sum());

  // One by one: the rows of a prompt count once, in its first row.
  at::Tensor loss = at::zeros({}, at::kDouble);
  std::int64_t first = 0;
  int rows = 0;
  const auto alone = [&](const std::vector<at::Tensor>& parts) {
    KeyValues cache;
    ++rows;
    return net.forward(at::cat(parts, 1), cache, false)[0];
  };
  const auto expect_same = [](const at::Tensor& a, const at::Tensor& b) {
    EXPECT_LT((a - b).abs().max().item<double>(), 1e-12);
  };
  for (const Segment& s : segments) {
    const at::Tensor prompt = x.slice(1, first, first + s.prompt);
    if (s.prompt > 0) {
      const at::Tensor hidden = alone({prompt});
      expect_same(hidden, packed.slice(0, first, first + s.prompt));
      loss = loss + (hidden * weights.slice(0, first, first + s.prompt)).sum();
    }
    std::int64_t begin = first + s.prompt;
    for (const std::int64_t answer : s.answers) {
      const at::Tensor hidden = alone({prompt, x.slice(1, begin, begin + answer)}).slice(0, s.prompt);
      expect_same(hidden, packed.slice(0, begin, begin + answer));
      loss = loss + (hidden * weights.slice(0, begin, begin + answer)).sum();
      begin += answer;
    }
    first = begin;
  }
  EXPECT_EQ(rows, 12);
  int visited = 0;
  for (const auto& [name, values] : gradients(net, loss)) {
    EXPECT_TRUE(close(name, got.at(name), values, Tol::rel(1e-6, "float64 sums, compared as float32")));
    ++visited;
  }
  EXPECT_EQ(visited, 8);

  // The twin: answers that see each other.
  const at::Tensor joined = net.forward_packed(x, {{4, {6}}, {5, {}}, {2, {4}}, {0, {2, 3}}, {3, {2, 2}}}, false)[0];
  expect_same(joined.slice(0, 0, 7), packed.slice(0, 0, 7));
  EXPECT_GT((joined.slice(0, 7, 10) - packed.slice(0, 7, 10)).abs().max().item<double>(), 1e-3);
}

// Layers that multiply in bfloat16 or float16, the rest in float32: losses and gradients near those of float32.
TEST(Qlora, NarrowComputeStaysCloseToFloat) {
  LanguageNet net = make_net(golden()["bases"]["nf4"]);
  const at::Tensor wide_loss = packed_loss(net, samples());
  const Gradients wide = gradients(net, wide_loss);
  const auto distance = [&](const Gradients& other) {
    double worst = 0;
    for (const auto& [name, want] : wide) worst = std::max(worst, test::relative_error(other.at(name), want));
    return worst;
  };
  int visited = 0;
  // A bfloat16 value has a relative error of 2^-9, a float16 value 2^-12. Through two layers and back the gradients of
  // this model (24 wide, few values in a sum) are 0.066 and 0.012 of their largest value off; the bounds are twice
  // that.
  for (const auto& [dtype, loss_tol, gradient_tol] :
       {std::tuple{at::kBFloat16, 5e-3, 0.13}, std::tuple{at::kHalf, 1e-3, 0.024}}) {
    net.compute = dtype;
    const at::Tensor loss = packed_loss(net, samples());
    EXPECT_EQ(loss.scalar_type(), at::kFloat);
    EXPECT_NEAR(loss.item<double>(), wide_loss.item<double>(), loss_tol * wide_loss.item<double>());
    EXPECT_NE(loss.item<double>(), wide_loss.item<double>()) << "the twin: float32 after all";
    const double error = distance(gradients(net, loss));
    EXPECT_LT(error, gradient_tol);
    EXPECT_GT(error, gradient_tol * 1e-3) << "the twin: float32 after all";
    for (const std::string& name : net.lora->params.names())
      EXPECT_EQ(net.lora->params[name].grad().scalar_type(), at::kFloat);
    ++visited;
  }
  EXPECT_EQ(visited, 2);
}

TEST(Qlora, CheckpointedLayersGiveTheSameGradientsWithDropoutToo) {
  LanguageNet net = make_net(golden()["bases"]["nf4"]);
  LoraConfig lora = net.lora->config();
  lora.dropout = 0.3;
  net.lora.emplace(lora, language_linears(net.config()), 5);
  {
    at::NoGradGuard no_grad;
    for (const std::string& name : net.lora->params.names()) net.lora->params[name].add_(0.05);
  }
  const auto run = [&](bool checkpoint) {
    net.checkpoint_layers = checkpoint;
    at::manual_seed(7);
    const at::Tensor hidden = net.forward_packed(net.embed(ids_of(samples())), kApart, true);
    return gradients(net, (hidden * hidden).mean());
  };
  const Gradients want = run(false), got = run(true);
  for (const auto& [name, values] : want) EXPECT_TRUE(close(name, got.at(name), values, Tol::exact())) << name;
  at::manual_seed(8);
  EXPECT_FALSE(close(
      "the twin: other dropout",
      gradients(net, net.forward_packed(net.embed(ids_of(samples())), kApart, true).pow(2).mean()).begin()->second,
      want.begin()->second, Tol::rel(1e-3, "far")));
}

TEST(AnswerLoss, EqualsTorchInAnyChunk) {
  const LanguageNet net = make_net(golden()["bases"]["dense"]);
  at::manual_seed(1);
  const at::Tensor labels = at::randint(0, 37, {10}, at::kLong);
  for (const double smoothing : {0.0, 0.1}) {
    at::Tensor hidden = at::randn({10, 24}, at::kDouble).requires_grad_(true);
    const at::Tensor want =
        at::cross_entropy_loss(net.logits(hidden), labels, {}, at::Reduction::Mean, -100, smoothing);
    want.backward();
    const at::Tensor gradient = hidden.grad().clone();
    for (const std::int64_t chunk : {1, 3, 10, 64}) {
      hidden.mutable_grad().reset();
      const at::Tensor got = answer_loss(hidden, labels, net.frozen_head(), smoothing, chunk);
      got.backward();
      EXPECT_NEAR(got.item<double>(), want.item<double>(), 1e-12);
      EXPECT_LT((hidden.grad() - gradient).abs().max().item<double>(), 1e-12);
    }
  }
}

TEST(FrozenLinear, GradientsEqualFiniteDifferences) {
  const LanguageNet net = make_net(golden()["bases"]["nf4"]);
  at::manual_seed(2);
  at::Tensor x = at::randn({3, 24}, at::kDouble).requires_grad_(true);
  const at::Tensor weights = at::randn({3, 37}, at::kDouble);
  const auto loss = [&] { return (net.logits(x).tanh() * weights).sum(); };
  loss().backward();
  const at::Tensor gradient = x.grad().clone();
  at::NoGradGuard no_grad;
  double worst = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double* value = x.data_ptr<double>() + i;
    const double kept = *value, h = 1e-5;
    *value = kept + h;
    const double up = loss().item<double>();
    *value = kept - h;
    const double down = loss().item<double>();
    *value = kept;
    worst = std::max(worst, std::abs((up - down) / (2 * h) - gradient.data_ptr<double>()[i]));
  }
  EXPECT_LT(worst, 1e-6 * gradient.abs().max().item<double>() + 1e-8);
}

}  // namespace
}  // namespace cp
