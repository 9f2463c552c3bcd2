#include "runtime/beam.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "runtime/sampling.h"

namespace cp {

namespace {

struct Beam {
  std::vector<int> tokens;
  float sum = 0;  // of log-probabilities, in float32 as the reference adds them
};

struct Candidate {
  int parent, token;
  float sum;
};

// Appends every continuation of one beam. Penalties and the suppressed come after the softmax, as logits processors do;
// but where generate() is greedy (one beam), it does not take logarithms, and the penalty meets the logits.
void extend(const Beam& beam, int index, std::span<const float> logits, const BeamOptions& options,
            std::vector<Candidate>& out) {
  std::vector<float> scores(logits.begin(), logits.end());
  std::vector<int> seen = options.prompt;
  seen.insert(seen.end(), beam.tokens.begin(), beam.tokens.end());
  if (options.beams <= 1) penalize_repetition(scores, seen, options.repetition_penalty);
  const float top = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (const float x : scores) total += std::exp(static_cast<double>(x - top));
  const float log_total = static_cast<float>(std::log(total));
  for (float& x : scores) x = x - top - log_total;
  if (options.beams > 1) penalize_repetition(scores, seen, options.repetition_penalty);
  for (std::size_t v = 0; v < scores.size(); ++v)
    if ((options.suppressed.empty() || !options.suppressed[v]) && std::isfinite(scores[v]))
      out.push_back({index, static_cast<int>(v), beam.sum + scores[v]});
}

}  // namespace

std::vector<Hypothesis> beam_search(std::span<const float> first_logits, const BeamStep& step,
                                    const BeamOptions& options) {
  const std::size_t vocabulary = first_logits.size(), width = static_cast<std::size_t>(std::max(options.beams, 1));
  CP_CHECK(vocabulary > 0 && options.max_new_tokens > 0, "beam_search: nothing to search");
  CP_CHECK(options.suppressed.empty() || options.suppressed.size() == vocabulary,
           "beam_search: the mask is not V long");

  std::vector<Beam> live(1);
  std::vector<Hypothesis> finished;
  std::span<const float> logits = first_logits;
  for (int length = 1;; ++length) {
    CP_CHECK(logits.size() == live.size() * vocabulary, "beam_search: logits are not B x V");
    std::vector<Candidate> candidates;
    for (std::size_t b = 0; b < live.size(); ++b)
      extend(live[b], static_cast<int>(b), logits.subspan(b * vocabulary, vocabulary), options, candidates);
    // 2 x beams: even when all of the first half end, enough are left to go on. Equal sums: the earlier beam, the
    // smaller id.
    const std::size_t kept = std::min(candidates.size(), 2 * width);
    std::partial_sort(
        candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(kept), candidates.end(),
        [](const Candidate& a, const Candidate& b) {
          return a.sum != b.sum ? a.sum > b.sum : a.parent != b.parent ? a.parent < b.parent : a.token < b.token;
        });
    candidates.resize(kept);

    const bool last = length == options.max_new_tokens;  // then every candidate counts as complete
    const float divisor = static_cast<float>(std::pow(length, options.length_penalty));
    std::vector<Beam> next;
    std::vector<int> tokens, parents;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const Candidate& c = candidates[i];
      std::vector<int> sequence = live[static_cast<std::size_t>(c.parent)].tokens;
      sequence.push_back(c.token);
      if (last || c.token == options.end_token) {
        if (i < width) finished.push_back({std::move(sequence), c.sum / divisor});  // an end further down is dropped
      } else if (next.size() < width) {
        next.push_back({std::move(sequence), c.sum});
        tokens.push_back(c.token);
        parents.push_back(c.parent);
      }
    }
    std::stable_sort(finished.begin(), finished.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    if (finished.size() > width) finished.resize(width);
    if (last || finished.size() == width || next.empty()) return finished;
    live = std::move(next);
    logits = step(tokens, parents);
  }
}

}  // namespace cp
