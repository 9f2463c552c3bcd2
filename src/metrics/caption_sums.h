#pragma once
// In:  captions and references as words.
// Out: what each image adds to the corpus scores, so that a bootstrap sample is scored without looking at a word again.
// Not here: choosing the images, splitting text (caption_words.h).

#include <array>
#include <span>
#include <string>
#include <vector>

#include "metrics/caption.h"
#include "metrics/caption_words.h"
#include "metrics/meteor.h"
#include "metrics/ngrams.h"

namespace cp {

struct ImageSums {
  BleuCounts bleu;
  double rouge_l = 0;      // of this image
  double cider = 0;        // CIDEr-D of this image
  double cider_plain = 0;  // CIDEr of this image
  MeteorCounts meteor;     // against the best reference
};

// Document frequencies (CIDEr) come from the references of all these images; they stay when images are picked.
struct CaptionSums {
  std::vector<ImageSums> images;
};

using CaptionWords = std::vector<std::string>;

// `references[i]` (at least one) and `captions[i]` are of image i. Sizes must agree (BugError).
CaptionSums sum_captions(const std::vector<std::vector<CaptionWords>>& references,
                         const std::vector<CaptionWords>& captions, MeteorScorer& meteor);

// Throws UserError(usage) when `char_` is to be scored with more than METEOR's exact matches, or normalised.
void require_exact_for_char(CaptionProtocol protocol, const MeteorOptions& meteor);

// Splits first. For `char_` METEOR must be exact only (UserError(usage)). The vocabulary of `meteor` is set
// to the words that occur.
CaptionSums sum_captions(const std::vector<std::vector<std::string>>& references,
                         const std::vector<std::string>& captions, const CaptionSplitter& splitter,
                         MeteorOptions meteor = {});

// Scores of the images picked, repeats counted as often as they are picked. No picks gives zeros.
CaptionScores total(const CaptionSums& sums, std::span<const std::size_t> picks);
CaptionScores total(const CaptionSums& sums);  // of all images, each once

// BLEU-1..4 as NLTK's corpus_bleu computes it (uniform weights, no smoothing; missing orders count as the smallest
// positive double).
std::array<double, kMaxOrder> nltk_bleu(const CaptionSums& sums);

}  // namespace cp
