#include "runtime/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "core/error.h"
#include "core/rng.h"

namespace cp {
namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

// Softmax weights in double, not normalised: the largest is 1.
std::vector<double> weights_of(std::span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  CP_CHECK(std::isfinite(top), "sampling: no logit is a finite number");
  std::vector<double> weights;
  weights.reserve(logits.size());
  for (const float x : logits) weights.push_back(std::exp(static_cast<double>(x) - top));
  return weights;
}

void keep_top_k(std::span<float> logits, int k) {
  if (static_cast<std::size_t>(k) >= logits.size()) return;
  std::vector<float> sorted(logits.begin(), logits.end());
  std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<>());
  const float last = sorted[static_cast<std::size_t>(k - 1)];
  for (float& x : logits)
    if (x < last) x = kOut;
}

// Leaves out, from the least likely on, whatever together holds at most 1 - p; the most likely always stays.
void keep_top_p(std::span<float> logits, double p) {
  const std::vector<double> weights = weights_of(logits);
  std::vector<std::size_t> rising(logits.size());
  std::iota(rising.begin(), rising.end(), std::size_t{0});
  std::stable_sort(rising.begin(), rising.end(), [&](std::size_t a, std::size_t b) { return logits[a] < logits[b]; });
  const double limit = (1 - p) * std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  for (std::size_t i = 0; i + 1 < rising.size(); ++i) {
    sum += weights[rising[i]];
    if (sum > limit) break;
    logits[rising[i]] = kOut;
  }
}

struct Draw {
  std::vector<int> tokens;
  double sum = 0;  // of the model's log-probabilities
  int number = 0;
};

}  // namespace

void check_sampling(const SamplingOptions& o) {
  const auto want = [](bool ok, const char* name, const char* wanted, double found) {
    if (!ok) throw UserError(ErrorKind::usage, name, fmt::format("wanted {}, found {}.", wanted, found), "");
  };
  const auto positive = [](double x) { return std::isfinite(x) && x > 0; };
  want(positive(o.temperature), "temperature", "a number above 0", o.temperature);
  want(o.top_k >= 0, "top-k", "1 or more, or 0 for all", o.top_k);
  want(o.top_p > 0 && o.top_p <= 1, "top-p", "a number above 0 and at most 1", o.top_p);
  want(positive(o.repetition_penalty), "repetition-penalty", "a number above 0", o.repetition_penalty);
  want(o.max_new_tokens > 0, "max-new-tokens", "1 or more", o.max_new_tokens);
}

void penalize_repetition(std::span<float> scores, std::span<const int> seen, double penalty) {
  if (penalty == 1) return;
  std::vector<int> once(seen.begin(), seen.end());
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  const float factor = static_cast<float>(penalty);
  for (const int id : once) {
    if (id < 0 || static_cast<std::size_t>(id) >= scores.size()) continue;
    float& score = scores[static_cast<std::size_t>(id)];
    score = score < 0 ? score * factor : score / factor;
  }
}

void process_logits(std::span<float> logits, std::span<const int> seen, const SamplingOptions& options) {
  CP_CHECK(options.suppressed.empty() || options.suppressed.size() == logits.size(),
           "process_logits: the mask is not V long");
  penalize_repetition(logits, seen, options.repetition_penalty);
  for (std::size_t v = 0; v < options.suppressed.size(); ++v)
    if (options.suppressed[v]) logits[v] = kOut;
  if (options.temperature != 1)
    for (float& x : logits) x /= static_cast<float>(options.temperature);
  if (options.top_k > 0) keep_top_k(logits, options.top_k);
  if (options.top_p < 1) keep_top_p(logits, options.top_p);
}

int draw_token(std::span<const float> logits, double u) {
  const std::vector<double> weights = weights_of(logits);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  CP_CHECK(std::isfinite(total), "draw_token: a logit is no number");
  double sum = 0;
  int last = 0;  // the last possible one, should rounding leave u x total unreached
  for (std::size_t v = 0; v < weights.size(); ++v) {
    if (weights[v] == 0) continue;
    last = static_cast<int>(v);
    sum += weights[v];
    if (sum > u * total) break;
  }
  return last;
}

std::vector<Hypothesis> sample_texts(std::span<const float> first_logits, const BeamStep& step,
                                     std::span<const int> prompt, int draws, const SamplingOptions& options) {
  check_sampling(options);
  const std::size_t vocabulary = first_logits.size();
  CP_CHECK(vocabulary > 0 && draws > 0, "sample_texts: nothing to draw");

  std::vector<Draw> live(static_cast<std::size_t>(draws));
  for (int d = 0; d < draws; ++d) live[static_cast<std::size_t>(d)].number = d;
  std::vector<Hypothesis> finished;
  std::span<const float> logits = first_logits;  // one row for all at first, then one for each live draw
  for (int length = 1;; ++length) {
    std::vector<Draw> next;
    std::vector<int> tokens, parents;
    for (std::size_t i = 0; i < live.size(); ++i) {
      Draw& draw = live[i];
      const std::size_t row = length == 1 ? 0 : i;
      const std::span<const float> raw = logits.subspan(row * vocabulary, vocabulary);
      std::vector<float> processed(raw.begin(), raw.end());
      std::vector<int> seen(prompt.begin(), prompt.end());
      seen.insert(seen.end(), draw.tokens.begin(), draw.tokens.end());
      process_logits(processed, seen, options);
      Rng rng(options.seed, Stream::token_sampling, static_cast<std::uint32_t>(draw.number),
              static_cast<std::uint64_t>(length - 1));
      const int token = draw_token(processed, rng.uniform());

      const std::vector<double> weights = weights_of(raw);
      draw.sum +=
          std::log(weights[static_cast<std::size_t>(token)] / std::accumulate(weights.begin(), weights.end(), 0.0));
      draw.tokens.push_back(token);
      if (token == options.end_token || length == options.max_new_tokens) {
        finished.push_back({std::move(draw.tokens), draw.sum / length});
      } else {
        tokens.push_back(token);
        parents.push_back(static_cast<int>(row));
        next.push_back(std::move(draw));
      }
    }
    live = std::move(next);
    if (live.empty()) break;
    logits = step(tokens, parents);
    CP_CHECK(logits.size() == live.size() * vocabulary, "sample_texts: logits are not B x V");
  }

  std::stable_sort(finished.begin(), finished.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  std::vector<Hypothesis> distinct;
  for (Hypothesis& h : finished)
    if (std::none_of(distinct.begin(), distinct.end(), [&](const Hypothesis& d) { return d.tokens == h.tokens; }))
      distinct.push_back(std::move(h));
  return distinct;
}

}  // namespace cp
