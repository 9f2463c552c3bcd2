// Action heads of every kind and condition: the training networks against the runtime's code, on random weights.
#include "gradient_check.h"
#include "learn/head_net.h"
#include "support/test_support.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kFloat = Tol::abs(2e-4, "float32 in both engines, sums of up to 512 products in another order");
constexpr int kHidden = 32, kRows = 5;

struct Case {
  std::vector<float> prompt, map, read;  // one position before the grid, one between it and the last
  HiddenBatch hidden;
  double flag = 1.3;
};

Case random_case(int grid) {
  const auto floats = [](at::IntArrayRef shape, std::uint64_t n) {
    return test::random_doubles(shape, n).to(at::kFloat);
  };
  Case c;
  const at::Tensor prompt = floats({grid * grid + 3, kHidden}, 1), read = floats({1, 4, kHidden}, 2);
  c.hidden.grid = prompt.slice(0, 1, grid * grid + 1).unsqueeze(0);
  c.hidden.last = prompt.slice(0, grid * grid + 2);
  c.hidden.read = read;
  set_map(c.hidden, 3 * floats({1, 64, 64}, 3) - 4, at::full({1}, c.flag, at::kFloat));
  c.prompt = to_floats(prompt), c.map = to_floats(c.hidden.map), c.read = to_floats(read);
  return c;
}

// What the head says in the end: noise, velocity or the answer itself.
std::vector<float> by_network(const HeadNet& net, const HiddenBatch& hidden, const std::vector<float>& x) {
  at::NoGradGuard no_grad;
  const HeadNet::Condition c = net.condition(hidden);
  const at::Tensor noisy = at::tensor(x).view({1, kRows, 3});
  const std::string& kind = net.shape().kind;
  if (kind == "flow") return to_floats(net.velocity(noisy, at::full({1, kRows, 1}, 0.4f), c, 0, false));
  if (kind == "regression") return to_floats(net.regress(c).unsqueeze(1).expand({1, kRows, 3}));
  if (kind == "heatmap") return to_floats(c.places.evidence);
  return to_floats(
      net.denoise(noisy, at::full({1, kRows}, 300, at::kLong), at::full({1, kRows, 1}, 0.394f), c, 0, false));
}

std::vector<float> by_runtime(const ActionHead& head, const Case& c, const std::vector<float>& x) {
  const ActionHead::Condition condition = head.condition({c.prompt, 1, c.map, c.flag, c.read});
  std::vector<float> out(x.size());
  if (head.shape().kind == "flow") {
    head.velocity(x, 0.4f, condition, out);
  } else if (head.shape().kind == "regression") {
    out = head.samples(condition, {}, x, 0);
  } else if (head.shape().kind == "heatmap") {
    out.clear();
    for (const float w : condition.places.weights()) out.push_back(std::log(w));
  } else {
    head.denoise(x, 300, 0.394f, condition, out);
  }
  return out;
}

// Weights are only known up to a factor: compare both from their largest.
std::vector<float> from_largest(std::vector<float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  for (float& v : logits) v = std::max(v - most, static_cast<float>(Places::kFloor));
  return logits;
}

TEST(HeadParity, EveryKindAndConditionInBothEngines) {
  std::vector<float> x;
  Rng rng(3, Stream::test);
  for (int i = 0; i < 3 * kRows; ++i) x.push_back(static_cast<float>(rng.normal()));
  int heads = 0;
  for (const int grid : {4, 7})  // 7 does not divide 32: no piece of its own for each position
    for (const std::string kind : {"diffusion", "flow", "regression", "heatmap"})
      for (const std::string condition : {"none", "last_token", "pooled", "visual_attention", "queries", "visual_grid"})
        for (const std::string evidence : {"hidden", "map", "hidden+map"}) {
          if (condition != "visual_grid" && evidence != "hidden") continue;
          const Case c = random_case(grid);
          HeadNet net(5, {kind, condition, evidence, grid, kHidden});
          {  // what starts at 0 would hide a fault
            at::NoGradGuard no_grad;
            for (const std::string& name : net.params.names())
              if (name.starts_with("evidence.film"))
                net.params[name].copy_(0.2 * test::random_doubles(net.params[name].sizes(), 11));
          }
          std::vector<float> want = by_network(net, c.hidden, x), got = by_runtime(to_action_head(net), c, x);
          if (kind == "heatmap") want = from_largest(want), got = from_largest(got);
          EXPECT_TRUE(close(kind + " " + condition + " " + evidence, got, want, kFloat));
          ++heads;
        }
  EXPECT_EQ(heads, 2 * 4 * 8);
}

TEST(HeadParity, AnotherDilationIsSeen) {
  const Case c = random_case(4);
  HeadNet net(5, {"heatmap", "visual_grid", "hidden+map", 4, kHidden});
  const std::vector<float> x(3 * kRows);  // not read
  const std::vector<float> got = from_largest(by_runtime(to_action_head(net), c, x));
  at::NoGradGuard no_grad;
  std::swap(net.params["evidence.conv.1.weight"], net.params["evidence.conv.2.weight"]);
  EXPECT_FALSE(close("swapped", got, from_largest(by_network(net, c.hidden, x)), kFloat));
}

}  // namespace
}  // namespace cp
