#include "runtime/language_model.h"

#include "random_nano.h"

namespace cp {
namespace {

using test::close;
using test::Tol;

const Tol kSame = Tol::rel(1e-5, "the same sums in another order");

SafeTensors weights(std::vector<TensorToWrite> tensors) {
  return SafeTensors::parse(encode_safetensors(tensors), "test");
}

const LanguageModel& model() {
  static const LanguageModel m =
      LanguageModel::load(test::random_language_config(), weights(test::random_weights(test::language_shapes(), 0)));
  return m;
}

// The last row of a prefill over all ids: what a cache must reproduce.
std::vector<float> recomputed(const std::vector<int>& ids) {
  LanguageModel::Cache cache;
  const std::vector<float> hidden = model().prefill(model().embed(ids), cache);
  return {hidden.end() - test::kHidden, hidden.end()};
}

std::vector<float> row(const std::vector<float>& x, int r) {
  return {x.begin() + r * test::kHidden, x.begin() + (r + 1) * test::kHidden};
}

TEST(KvCache, EqualsRecomputation) {
  LanguageModel::Cache cache;
  std::vector<int> ids = {5, 9, 2, 7};
  model().prefill(model().embed(ids), cache);
  int visited = 0;
  for (const int token : {11, 3, 3, 250}) {
    ids.push_back(token);
    const std::vector<float> hidden = model().decode(std::vector<int>{token}, std::vector<int>{0}, cache);
    EXPECT_TRUE(close("hidden", hidden, recomputed(ids), kSame));
    EXPECT_EQ(cache.length(), static_cast<int>(ids.size()));
    ++visited;
  }
  EXPECT_EQ(visited, 4);
}

TEST(KvCache, ATokenAtTheWrongPlaceIsSeen) {
  LanguageModel::Cache cache;
  model().prefill(model().embed(std::vector<int>{5, 9, 2}),
                  cache);  // one token short: later ones stand one place early
  const std::vector<float> hidden = model().decode(std::vector<int>{11}, std::vector<int>{0}, cache);
  EXPECT_FALSE(close("hidden", hidden, recomputed({5, 9, 2, 7, 11}), kSame));
}

TEST(KvCache, BeamsFollowTheirParents) {
  LanguageModel::Cache cache;
  model().prefill(model().embed(std::vector<int>{5, 9}), cache);
  model().decode(std::vector<int>{1, 2, 3}, std::vector<int>{0, 0, 0}, cache);
  const std::vector<float> hidden =
      model().decode(std::vector<int>{4, 6}, std::vector<int>{2, 0}, cache);  // 3 -> 4, 1 -> 6
  EXPECT_TRUE(close("3 4", row(hidden, 0), recomputed({5, 9, 3, 4}), kSame));
  EXPECT_TRUE(close("1 6", row(hidden, 1), recomputed({5, 9, 1, 6}), kSame));
  EXPECT_FALSE(close("the twin: not reordered", row(hidden, 0), recomputed({5, 9, 1, 4}), kSame));
}

TEST(KvCache, ACopyForksTheSearch) {
  LanguageModel::Cache first;
  model().prefill(model().embed(std::vector<int>{5, 9}), first);
  LanguageModel::Cache second = first;
  model().decode(std::vector<int>{1}, std::vector<int>{0}, first);
  const std::vector<float> hidden = model().decode(std::vector<int>{2}, std::vector<int>{0}, second);
  EXPECT_TRUE(close("hidden", hidden, recomputed({5, 9, 2}), kSame));
}

TEST(LanguageModel, LaterTokensDoNotReachEarlierOnes) {
  LanguageModel::Cache cache;
  const std::vector<float> a = model().prefill(model().embed(std::vector<int>{5, 9, 2}), cache);
  const std::vector<float> b = model().prefill(model().embed(std::vector<int>{5, 9, 200}), cache);
  EXPECT_TRUE(
      close("first two", std::span(a).first(2 * test::kHidden), std::span(b).first(2 * test::kHidden), Tol::exact()));
  EXPECT_FALSE(close("third", row(a, 2), row(b, 2), kSame));
}

TEST(LanguageModel, AnUntiedHeadHasItsOwnMatrix) {
  LanguageConfig config = test::random_language_config();
  std::vector<TensorToWrite> tensors = test::random_weights(test::language_shapes(), 0);
  TensorToWrite head = tensors[0];  // the embedding, turned around
  head.name = "lm_head.weight";
  for (float& v : head.values) v = -v;
  tensors.push_back(head);
  const std::vector<float> hidden = recomputed({5, 9});

  config.tie_word_embeddings = false;
  std::vector<float> untied = LanguageModel::load(config, weights(tensors)).logits(hidden);
  for (float& v : untied) v = -v;
  EXPECT_TRUE(close("untied", untied, model().logits(hidden), kSame));

  config.tie_word_embeddings = true;  // which of the two is meant?
  EXPECT_TRUE(test::throws_user_error([&] { LanguageModel::load(config, weights(tensors)); }, ErrorKind::model,
                                      {"tie_word_embeddings", "lm_head.weight differs"}));
  tensors.back().values = tensors[0].values;  // the embedding, stored twice
  EXPECT_TRUE(close("tied", LanguageModel::load(config, weights(tensors)).logits(hidden), model().logits(hidden),
                    Tol::exact()));
  config.tie_word_embeddings = false;
  tensors.pop_back();
  EXPECT_TRUE(test::throws_user_error([&] { LanguageModel::load(config, weights(tensors)); }, ErrorKind::model,
                                      {"missing: lm_head.weight"}));
}

TEST(LanguageModel, WeightsOfAllFloatingTypesAreRead) {
  const std::vector<float> want = recomputed({5, 9, 2});
  int visited = 0;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    std::vector<TensorToWrite> tensors = test::random_weights(test::language_shapes(), 0);
    for (TensorToWrite& t : tensors) t.dtype = dtype;
    const LanguageModel m = LanguageModel::load(test::random_language_config(), weights(tensors));
    LanguageModel::Cache cache;
    const std::vector<float> hidden = m.prefill(m.embed(std::vector<int>{5, 9, 2}), cache);
    const Tol tol = dtype == DType::bf16 ? Tol::rel(0.1, "bfloat16 keeps 8 bits of a weight")
                                         : Tol::rel(5e-3, "float16 keeps 11 bits of a weight");
    EXPECT_TRUE(close(dtype_name(dtype), row(hidden, 2), want, tol));
    ++visited;
  }
  EXPECT_EQ(visited, 3);
}

TEST(LanguageModel, ListsAllThatIsMissing) {
  std::vector<TensorToWrite> tensors = test::random_weights(test::language_shapes(), 0);
  std::erase_if(tensors, [](const TensorToWrite& t) { return t.name.find("layers.1.mlp") != std::string::npos; });
  EXPECT_TRUE(test::throws_user_error([&] { LanguageModel::load(test::random_language_config(), weights(tensors)); },
                                      ErrorKind::model,
                                      {"model.layers.1.mlp.gate_proj.weight", "model.layers.1.mlp.down_proj.weight"}));
}

}  // namespace
}  // namespace cp
