// Fast products of quantised models: how far from the exact ones, what they allocate, what they leave alone.
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "formats/language_tensors.h"
#include "formats/quantize_folder.h"
#include "random_nano.h"
#include "runtime/language_model.h"
#include "support/test_support.h"

namespace {
std::atomic<long> g_allocations{0};
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // new is malloc here
#endif

// Counts what the whole program asks for.
void* operator new(std::size_t size) {
  ++g_allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t align) {
  ++g_allocations;
  const std::size_t a = static_cast<std::size_t>(align);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace cp {
namespace {

namespace fs = std::filesystem;

// A random model whose rows are whole blocks of 64.
fs::path dense(const std::string& name) {
  LanguageConfig c = test::random_language_config();
  c.hidden_size = 128;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 32;
  c.intermediate_size = 192;
  c.vocab_size = 1000;
  const fs::path folder = test::fresh_folder(name) / "dense";
  std::uint64_t seed = 1;
  std::vector<TensorToWrite> tensors;
  const auto add = [&](const std::string& tensor, std::vector<std::int64_t> shape, double mean, double deviation) {
    Rng rng(seed++, Stream::test);
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    std::vector<float> values;
    for (std::int64_t i = 0; i < size; ++i) values.push_back(static_cast<float>(mean + deviation * rng.normal()));
    tensors.push_back({tensor, std::move(shape), std::move(values)});
  };
  add("model.embed_tokens.weight", {c.vocab_size, c.hidden_size}, 0, 0.1);
  add("model.norm.weight", {c.hidden_size}, 1, 0.1);
  for (const LinearShape& linear : language_linears(c)) {
    add(linear.name + ".weight", {linear.out, linear.in}, 0, 0.08);
    if (has_bias(c, linear.name)) add(linear.name + ".bias", {linear.out}, 0, 0.1);
  }
  for (int i = 0; i < c.num_hidden_layers; ++i)
    for (const char* norm : {"input_layernorm", "post_attention_layernorm"})
      add("model.layers." + std::to_string(i) + "." + norm + ".weight", {c.hidden_size}, 1, 0.1);
  write_safetensors(folder / "model.safetensors", tensors);
  write_language_config(folder / "config.json", c);
  return folder;
}

// Its linear layers in NF4, the embedding as it was or in int8.
fs::path quantised(const std::string& name, bool int8_embedding) {
  const fs::path from = dense(name), to = from.parent_path() / "nf4";
  QuantizeOptions options;
  options.int8_embedding = int8_embedding;
  quantize_language_folder(from, to, options);
  return to;
}

std::vector<int> prompt(int count) {
  std::vector<int> ids;
  for (int i = 0; i < count; ++i) ids.push_back(i * 7 % 300 + 1);
  return ids;
}

// Hidden states of a prompt of `count` tokens, then logits of three steps of two beams.
std::vector<float> run(const LanguageModel& model, int count) {
  LanguageModel::Cache cache;
  std::vector<float> out = model.prefill(model.embed(prompt(count)), cache);
  const int tokens[3][2] = {{5, 9}, {7, 8}, {3, 3}}, parents[3][2] = {{0, 0}, {1, 0}, {1, 1}};
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> logits = model.logits(model.decode(tokens[i], parents[i], cache));
    out.insert(out.end(), logits.begin(), logits.end());
  }
  return out;
}

double relative_rms(const std::vector<float>& got, const std::vector<float>& want) {
  double off = 0, all = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    off += std::pow(got[i] - want[i], 2);
    all += std::pow(want[i], 2);
  }
  return got.size() == want.size() ? std::sqrt(off / all) : 1;
}

TEST(FastProducts, AreWithinFivePercentOfTheExactOnesForShortAndLongPrompts) {
  int visited = 0;
  for (const bool int8_embedding : {false, true}) {
    const fs::path folder = quantised("fast", int8_embedding);
    const LanguageModel exact = LanguageModel::load(folder), fast = LanguageModel::load(folder, Products::fast);
    for (const int count : {5, 40}) {
      const std::vector<float> want = run(exact, count), got = run(fast, count);
      EXPECT_LT(relative_rms(got, want), 0.05) << count;
      EXPECT_GT(relative_rms(got, want), 1e-4) << "8 bits are not free: were they used?";
      ++visited;
    }
  }
  EXPECT_EQ(visited, 4);
}

TEST(FastProducts, LeaveDenseModelsAlone) {
  const fs::path folder = dense("dense");
  EXPECT_EQ(run(LanguageModel::load(folder), 20), run(LanguageModel::load(folder, Products::fast), 20));
}

TEST(FastProducts, DoNotHangOnTheNumberOfThreads) {
  const LanguageModel fast = LanguageModel::load(quantised("threads", true), Products::fast);
  std::vector<std::vector<float>> got;
  for (const int threads : {1, 2, 3}) {
    thread_pool().set_threads(threads);
    got.push_back(run(fast, 40));
  }
  thread_pool().set_threads(usable_processors());
  EXPECT_EQ(got[1], got[0]);
  EXPECT_EQ(got[2], got[0]);
}

TEST(FastProducts, LeadingLogitsAreThoseOfTheWholeHead) {
  const LanguageModel fast = LanguageModel::load(quantised("leading", true), Products::fast);
  LanguageModel::Cache cache;
  const std::vector<float> hidden = fast.prefill(fast.embed(prompt(9)), cache);
  const std::span<const float> last = std::span(hidden).last(static_cast<std::size_t>(fast.hidden()));
  const std::vector<float> whole = fast.logits(last);
  const std::span<const float> leading = fast.logits(last, 8, cache);
  std::vector<std::size_t> order(whole.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::partial_sort(order.begin(), order.begin() + 8, order.end(),
                    [&](std::size_t a, std::size_t b) { return whole[a] > whole[b]; });
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(leading[order[i]], whole[order[i]]) << i;
}

// After two steps every place of a step's memory is there; the room for keys is LanguageModel::kRoom tokens.
TEST(FastProducts, AStepAllocatesNothing) {
  const fs::path folder = quantised("allocations", true);
  for (const Products products : {Products::fast, Products::exact}) {
    const LanguageModel model = LanguageModel::load(folder, products);
    for (const std::size_t beams : {1u, 3u}) {
      LanguageModel::Cache cache;
      model.prefill(model.embed(prompt(30)), cache);
      const std::vector<int> tokens(beams, 4), first(beams, 0);
      std::vector<int> parents(first);
      model.logits(model.step(tokens, first, cache), 16, cache);
      for (std::size_t b = 0; b < beams; ++b) parents[b] = static_cast<int>(beams - 1 - b);
      for (int warm = 0; warm < 2; ++warm) model.logits(model.step(tokens, parents, cache), 16, cache);
      const long before = g_allocations;
      for (int i = 0; i < 40; ++i) model.logits(model.step(tokens, parents, cache), 16, cache);
      const long asked = g_allocations - before;
      if (products == Products::fast) {
        EXPECT_EQ(asked, 0) << beams << " beams";
      } else {
        EXPECT_GT(asked, 0) << "the exact kernels put their rows in order: does the counter count?";
      }
    }
  }
}

}  // namespace
}  // namespace cp
