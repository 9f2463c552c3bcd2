#pragma once
// In:  the logits after the prompt, and a callback that gives the logits after one more token of every beam.
// Out: the best hypotheses, equal to those of transformers' generate(num_beams, length_penalty, early_stopping=True).
// Not here: the model. Both engines and any other decoder share this file.

#include <functional>
#include <span>
#include <vector>

namespace cp {

struct BeamOptions {
  int beams = 3;  // 1: greedy
  double length_penalty = 0.7;
  int max_new_tokens = 40;  // the end token counts
  int end_token = -1;
  double repetition_penalty = 1;  // of ids in `prompt` and in the beam: on log-probabilities; with one beam on logits
  std::vector<int> prompt;        // ids that count as said already
  std::vector<bool> suppressed;   // (V) never produced; empty: none. Their probability mass is not given to the others.
};

struct Hypothesis {
  std::vector<int> tokens;  // with the end token, unless max_new_tokens cut it off
  double score = 0;         // sum of log-probabilities / length^length_penalty
};

// tokens (B): what each live beam wrote last; parents (B): which beam of the call before it continues (0 at first).
// Returns logits (B V), valid until the next call. B <= beams.
using BeamStep = std::function<std::span<const float>(std::span<const int> tokens, std::span<const int> parents)>;

// Best first, at most `beams`. `first_logits` (V) are those of the prompt's last position.
std::vector<Hypothesis> beam_search(std::span<const float> first_logits, const BeamStep& step,
                                    const BeamOptions& options);

}  // namespace cp
