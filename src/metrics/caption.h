#pragma once
// In:  captions and their references, as plain text.
// Out: corpus BLEU-1..4, METEOR, ROUGE-L and CIDEr as the COCO caption scorers define them.
// Not here: other protocols, METEOR's further stages and scores of samples (caption_sums.h), action scores (action.h).

#include <array>
#include <string>
#include <vector>

namespace cp {

// All on the 0 to 1 scale except CIDEr, which is what the COCO scorer returns (1.2, not 120).
struct CaptionScores {
  std::array<double, 4> bleu{};  // corpus BLEU-1..4, closest reference length, the COCO scorer's tiny/small constants
  double meteor = 0;             // METEOR 1.5, the stages that were asked for (score_captions: exact alone)
  double rouge_l = 0;            // mean over images, beta 1.2
  double cider = 0;              // CIDEr-D (sigma 6, n 1..4), document frequencies from the corpus's references
  double cider_plain = 0;        // CIDEr without clipping and length penalty

  // S*m of the LEVIR-CC papers: the mean of BLEU-4, METEOR, ROUGE-L and CIDEr-D, on the scale of these numbers.
  double s_m() const { return (bleu[3] + meteor + rouge_l + cider) / 4; }
};

// Words are lower-cased, split at white space; full stops and commas that stand alone are removed. Sizes must agree
// (BugError); no images gives all zeros.
CaptionScores score_captions(const std::vector<std::vector<std::string>>& references,
                             const std::vector<std::string>& captions);

}  // namespace cp
