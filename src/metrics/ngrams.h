#pragma once
// In:  sentences as lists of word ids.
// Out: their n-grams of order 1 to 4 with counts; BLEU counts, CIDEr and CIDEr-D of each image from them.
// Not here: words (caption_words.h), ROUGE-L (caption_sums.cpp), METEOR (meteor.h).

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace cp {

inline constexpr std::size_t kMaxOrder = 4;

using WordIds = std::vector<int>;  // of one sentence

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

// What one picture adds to corpus BLEU; add up, then score.
struct BleuCounts {
  double caption_words = 0, reference_words = 0;  // of the reference nearest in length, the shorter of two equally near
  std::array<double, kMaxOrder> correct{}, guessed{};
  std::array<double, kMaxOrder> at_least_one{};  // guessed, but 1 where a picture has none: NLTK's denominator

  void add(const BleuCounts& other);
  // Corpus BLEU-1..4 (Papineni et al. 2002) with the COCO scorer's constants (1e-15 above, 1e-9 below the line).
  std::array<double, kMaxOrder> coco() const;
  // As NLTK's corpus_bleu with equal weights and no smoothing: an order without a match counts as the smallest positive
  // normal double, no matching word at all gives 0.
  std::array<double, kMaxOrder> nltk() const;
};

BleuCounts bleu_counts(const SentenceNgrams& caption, const std::vector<SentenceNgrams>& references);

struct CiderScores {
  // CIDEr-D (Vedantam et al. 2015) as the COCO scorer computes it: 10 x the mean over references and orders of the
  // clipped tf-idf cosine, with a Gaussian penalty (sigma 6) on the difference of the numbers of bigrams.
  std::vector<double> d;
  // CIDEr of the same paper: 10 x the mean of the plain cosine; neither clipped nor penalised, words not stemmed.
  std::vector<double> plain;
};

// One value a picture. Document frequencies come from these references. With one picture every idf is log 1 = 0, and so
// is the score.
CiderScores cider_each(const NgramCorpus& corpus);

}  // namespace cp
