// Rows of captions: packed behind shared prompts, padded one by one, each alone: the same losses and gradients.
#include "learn/caption_rows.h"

#include "learn/answer_loss.h"
#include "runtime/language_golden.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kSame = Tol::rel(1e-10, "float64, another order of sums");

LanguageNet adapted_net() {
  const test::GoldenLanguage golden = test::make_language(test::language_golden()["qwen2"]);
  LanguageNet net = LanguageNet::load_frozen(golden.config, golden.file);
  net.params.to(at::kDouble);
  LoraConfig lora;
  lora.r = 2;
  net.lora.emplace(lora, language_linears(golden.config), 1);
  at::NoGradGuard no_grad;
  for (const std::string& name : net.lora->params.names()) net.lora->params[name].add_(0.03);
  net.lora->params.to(at::kDouble);
  return net;
}

const std::vector<CaptionSample>& samples() {
  static const Prompt first{{3, 0, 0, 9, 11}, 1, 2}, second{{5, 7, 0, 0, 2, 4, 6}, 2, 2};
  static const std::vector<CaptionSample> all = {{&first, {{8, 1, 30, 2}, {12, 2}}}, {&second, {{2}, {20, 21, 2}}}};
  return all;
}

struct Found {
  double loss = 0;
  std::vector<float> hidden;  // at the answers' places
  std::vector<std::vector<float>> gradients;
};

Found run(const std::vector<CaptionRows>& parts, const std::vector<std::vector<std::int64_t>>& visual_rows) {
  LanguageNet net = adapted_net();
  at::manual_seed(3);
  const at::Tensor visual = at::randn({2, 2, net.config().hidden_size}, at::kDouble).set_requires_grad(true);
  std::vector<at::Tensor> hidden, labels;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const at::Tensor seen = visual.index_select(0, at::tensor(visual_rows[i], at::kLong));
    hidden.push_back(hidden_states(net, parts[i], seen, false).index_select(0, parts[i].answer_places));
    labels.push_back(parts[i].labels);
  }
  const at::Tensor rows = at::cat(hidden);
  const at::Tensor loss = answer_loss(rows, at::cat(labels), net.frozen_head(), 0.1);
  loss.backward();
  Found found{loss.item<double>(), to_floats(rows), {to_floats(visual.grad())}};
  for (const std::string& name : net.lora->params.names())
    found.gradients.push_back(to_floats(net.lora->params[name].grad()));
  return found;
}

void expect_same(const Found& got, const Found& want) {
  EXPECT_NEAR(got.loss, want.loss, 1e-10 * want.loss);
  EXPECT_TRUE(close("hidden", got.hidden, want.hidden, kSame));
  ASSERT_EQ(got.gradients.size(), want.gradients.size());
  for (std::size_t i = 0; i < want.gradients.size(); ++i)
    EXPECT_TRUE(close("gradient " + std::to_string(i), got.gradients[i], want.gradients[i], kSame));
}

Found one_by_one() {
  std::vector<CaptionRows> parts;
  std::vector<std::vector<std::int64_t>> visual;
  for (std::size_t s = 0; s < samples().size(); ++s)
    for (const std::vector<int>& caption : samples()[s].captions) {
      parts.push_back(packed_rows({{samples()[s].prompt, {caption}}}));
      visual.push_back({static_cast<std::int64_t>(s)});
    }
  return run(parts, visual);
}

TEST(CaptionRows, PackedBehindSharedPromptsEqualsOneByOne) {
  expect_same(run({packed_rows(samples())}, {{0, 1}}), one_by_one());
}

TEST(CaptionRows, PaddedEqualsOneByOne) { expect_same(run({padded_rows(samples())}, {{0, 1}}), one_by_one()); }

TEST(CaptionRows, TheTwinWhereAnAnswerSeesTheOneBeforeDiffers) {
  CaptionRows rows = packed_rows(samples());
  rows.segments[0] = {rows.segments[0].length(), {}};
  EXPECT_FALSE(close("hidden", run({rows}, {{0, 1}}).hidden, one_by_one().hidden, Tol::rel(1e-4, "far")));
}

TEST(CaptionRows, SayWhereEverythingStands) {
  const CaptionRows rows = packed_rows(samples());
  EXPECT_EQ(rows.ids.numel(), 5 + 3 + 1 + 7 + 0 + 2);
  EXPECT_EQ(to_floats(rows.labels), (std::vector<float>{8, 1, 30, 2, 12, 2, 2, 20, 21, 2}));
  EXPECT_EQ(to_floats(rows.answer_places), (std::vector<float>{4, 5, 6, 7, 4, 8, 15, 15, 16, 17}));
  EXPECT_EQ(to_floats(rows.last_places), (std::vector<float>{4, 15}));
  EXPECT_EQ(to_floats(rows.visual_places), (std::vector<float>{1, 2, 11, 12}));
}

}  // namespace
}  // namespace cp
