#pragma once
// In:  sentences as lists of word ids, and which ids are function words.
// Out: METEOR of a corpus, as version 1.5 computes it for English with the "exact" module alone.
// Not here: stems, synonyms and paraphrases (they need word lists of 10 MB), splitting text into words (caption.h).

#include <string>
#include <string_view>
#include <vector>

namespace cp {

// True for the common English words that METEOR 1.5 weighs 1 - delta instead of delta. `word` in lower case; the list
// holds words of letters only.
bool is_function_word(std::string_view word);

// Counts of one hypothesis against its best reference; METEOR adds these up over a corpus and scores the sums.
struct MeteorCounts {
  double test_length = 0, reference_length = 0;                  // words
  double test_function_words = 0, reference_function_words = 0;  // of these, function words
  double content_matches = 0, function_matches = 0;              // exact matches are one word to one word
  double chunks = 0;                                             // runs that are contiguous and in order on both sides

  double matches() const { return content_matches + function_matches; }
  // Every word matched, in one run: METEOR takes no fragmentation penalty and leaves the chunk out of corpus sums.
  bool perfect() const { return matches() == test_length && matches() == reference_length && chunks == 1; }
  void add(const MeteorCounts& other);
  // Denkowski and Lavie (WMT 2014), section 2, with alpha 0.85, beta 0.2, gamma 0.6, delta 0.75: 0 to 1.
  double score() const;
};

// A sentence's word ids; `is_function[id]` says which are function words.
using WordIds = std::vector<int>;

MeteorCounts meteor_counts(const WordIds& test, const WordIds& reference, const std::vector<bool>& is_function);

// The reference with the highest score, the first of equals. No references gives zeros.
MeteorCounts best_meteor_counts(const WordIds& test, const std::vector<WordIds>& references,
                                const std::vector<bool>& is_function);

}  // namespace cp
