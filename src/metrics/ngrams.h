#pragma once
// In:  sentences as lists of word ids.
// Out: their n-grams of order 1 to 4 with counts; corpus BLEU and CIDEr-D from them.
// Not here: words (caption.h), ROUGE-L (caption.cpp), METEOR (meteor.h).

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "metrics/meteor.h"

namespace cp {

inline constexpr std::size_t kMaxOrder = 4;

struct NgramCount {
  int id = 0;
  int count = 0;
};

// N-grams of one sentence, per order (index 0 = words), sorted by id.
struct SentenceNgrams {
  int words = 0;
  std::array<std::vector<NgramCount>, kMaxOrder> by_order;
};

// Gives every n-gram of a corpus one id, whatever its order: an n-gram is its first n-1 words and its last word.
class NgramTable {
 public:
  SentenceNgrams count(const WordIds& sentence);
  std::size_t size() const { return ids_.size(); }

 private:
  std::unordered_map<std::uint64_t, int> ids_;  // (id of the first n-1 words + 1, last word) -> id
};

struct NgramCorpus {
  std::vector<SentenceNgrams> captions;                 // one a picture
  std::vector<std::vector<SentenceNgrams>> references;  // at least one a picture
  std::size_t ngrams = 0;                               // ids are 0 .. ngrams-1
};

// Corpus BLEU-1..4 (Papineni et al. 2002) with the COCO scorer's constants (1e-15 above, 1e-9 below the line); the
// reference length nearest to the caption's counts, the shorter of two equally near.
std::array<double, kMaxOrder> corpus_bleu(const NgramCorpus& corpus);

// CIDEr-D (Vedantam et al. 2015) as the COCO scorer computes it: mean over pictures of 10 x the mean over references
// and orders of the clipped tf-idf cosine, with a Gaussian penalty (sigma 6) on the difference of the numbers of
// bigrams. Document frequencies come from these references. With one picture every idf is log 1 = 0, and so is the
// score.
double cider_d(const NgramCorpus& corpus);

}  // namespace cp
