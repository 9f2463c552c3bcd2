#pragma once
// In:  a language model, a prompt that asks for an action.
// Out: actions that the model writes digit by digit, drawn from its own distribution over the digits; what it thought
//      before. The discrete baseline of the action heads.
// Not here: how an action is spelled (text/action_text.h), what is made of the samples (modes.h, region.h).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/language_model.h"
#include "text/action_text.h"

namespace cp {

class TokenHead {
 public:
  static constexpr int kMostThought = 64;  // ids of a thought

  struct Written {
    std::vector<float> samples;  // (N 3) = (u, v, a) in [-1, 1]: centres of the bins
    std::vector<int> thought;    // ids before the action; empty without a chain of thought
  };

  // `thought`: the model writes what changed and where before it acts.
  TokenHead(const BpeTokenizer& tokenizer, bool thought);

  // embeddings (T D) of the prompt. A thought is written greedily, without ids in `suppressed` (V), and is the same for
  // all draws; each digit is drawn from softmax(logits) over the digits that may stand there, where draw d takes its
  // random numbers from (seed, d, slot) alone. 1 <= count.
  Written write(const LanguageModel& language, std::span<const float> embeddings, const std::vector<bool>& suppressed,
                int count, std::uint64_t seed) const;

 private:
  ActionSpelling spelling_;
  bool thought_;
  int start_, end_;
};

}  // namespace cp
