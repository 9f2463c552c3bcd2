#pragma once
// In:  logits, the ids so far, options and a seed.
// Out: the distribution that transformers' generate(do_sample=True) draws from, ids drawn from it, whole texts ranked.
// Not here: the model (a BeamStep gives its logits), beam search (beam.h).

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/beam.h"

namespace cp {

struct SamplingOptions {
  double temperature = 1;         // > 0; divides the logits
  int top_k = 0;                  // the k most likely and whatever equals the last of them; 0: off
  double top_p = 1;               // (0, 1]: the fewest most likely ids that hold this share; 1: off
  double repetition_penalty = 1;  // > 0: > 1 makes ids of the prompt and of the text so far less likely
  int max_new_tokens = 40;        // the end token counts
  int end_token = -1;
  std::uint64_t seed = 0;
  std::vector<bool> suppressed;  // (V) never produced; empty: none
};

// Throws UserError(usage) naming the option that is out of its range.
void check_sampling(const SamplingOptions& options);

// Divides positive scores of the ids in `seen` by `penalty`, multiplies negative ones; each id once. Ids outside of the
// scores are skipped. (Keskar et al. 2019; transformers' RepetitionPenaltyLogitsProcessor.)
void penalize_repetition(std::span<float> scores, std::span<const int> seen, double penalty);

// In the order of generate(): repetition penalty over `seen`, suppressed ids, temperature, top-k, top-p. Ids that are
// left out get -infinity. logits (V), in place.
void process_logits(std::span<float> logits, std::span<const int> seen, const SamplingOptions& options);

// The id at which the cumulative softmax (in double, by rising id) first exceeds u, u in [0, 1). CP_CHECKs that some
// logit is finite and none is NaN.
int draw_token(std::span<const float> logits, double u);

// `draws` texts of one prompt, best mean log-probability first, equal ones once: at least one, at most `draws`. The
// log-probabilities are the model's own (before any processing), the end token counted. Token t of draw d takes its
// random number from (seed, d, t) alone: it does not depend on how many are drawn. `first_logits` (V) are those of the
// prompt's last position, `prompt` its ids for the repetition penalty; `step` is called as by beam_search.
std::vector<Hypothesis> sample_texts(std::span<const float> first_logits, const BeamStep& step,
                                     std::span<const int> prompt, int draws, const SamplingOptions& options);

}  // namespace cp
