#pragma once
// In:  two validations of the same pairs.
// Out: the difference of each score that a pair has by itself, with the interval of the paired bootstrap.
// Not here: scores of a whole corpus (BLEU and METEOR add counts over pairs; `validate` measures them with intervals).

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "metrics/bootstrap.h"
#include "report/html.h"
#include "report/results.h"

namespace cp {

struct PairedDifference {
  const char *english, *chinese;
  int decimals = 3;
  bool lower_is_better = false;
  int n = 0;  // pairs that have the score in both
  double first = 0, other = 0;
  Estimate difference;  // other - first; NaN when n = 0
};

struct Comparison {
  std::string first, other;  // names
  int common = 0;            // pairs with the same name in both
  int only_one = 0;          // pairs that only one of them has
  std::vector<PairedDifference> scores;
  // The common changed pairs where the captions' own scores (CIDEr) differ most, largest gain first, then the largest
  // loss; indices into the two lists of pairs.
  struct Gap {
    std::size_t first, other;
    double difference;
  };
  std::vector<Gap> gaps;
};

// Pairs are matched by name. The same resamples score both, so that what the pairs share cancels out.
Comparison compare(const Validation& first, const Validation& other, const BootstrapOptions& options = {});

// Of each other validation with the first. `comparisons[i]` compares validations[0] with validations[i + 1].
std::string comparison_section(const Say& say, std::span<const Validation> validations,
                               std::span<const Comparison> comparisons);

}  // namespace cp
