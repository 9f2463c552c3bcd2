#pragma once
// In:  all ways in which words or phrases of a hypothesis and a reference may be matched.
// Out: METEOR's choice among them.
// Not here: which words match (meteor.cpp), the score (meteor.h).

#include <vector>

namespace cp {

// Reference words start .. start+length-1 with hypothesis words test_start .. test_start+test_length-1.
struct MeteorMatch {
  int start = 0, length = 1;
  int test_start = 0, test_length = 1;
  int stage = 0;       // place in the list of stages
  bool exact = false;  // of the exact stage
};

struct MeteorAlignment {
  std::vector<MeteorMatch> matches;  // by start; no word in two of them
  int chunks = 0;
};

// `possible` in ascending order of start; among equals the earlier one is preferred. METEOR's beam search: left to
// right over the reference, the 40 best partial alignments kept. Best is the most matched words (a word of a stage
// other than exact counts half, rounded down after each match), then the fewest chunks, then the smallest distance. A
// match is certain, and in every alignment, when no other match touches its words.
MeteorAlignment align_meteor(int test_words, int reference_words, const std::vector<MeteorMatch>& possible);

}  // namespace cp
