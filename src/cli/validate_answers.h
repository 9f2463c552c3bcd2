#pragma once
// In:  a model, pairs with masks, how to ask.
// Out: truth, answer and prediction of each pair, answered by several threads.
// Not here: scores (metrics/), files (validate.cpp).

#include <filesystem>
#include <vector>

#include "data/levir.h"
#include "metrics/evaluate.h"
#include "runtime/session.h"

namespace cp {

struct ValidateAnswers {
  std::vector<Truth> truths;
  std::vector<Answer>
      answers;  // without concepts, modes, weights and the region's cells; the map only where it was asked for
  std::vector<Predicted> predictions;  // the same, as the scores want it
  double wall_s = 0;                   // of answering and drawing
};

struct ValidateHow {
  AnswerOptions ask;
  int threads = 1;                  // pairs in flight
  bool keep_maps = false;           // 16 KiB a pair
  std::filesystem::path visualize;  // folder that gets overlays/NAME.png of every pair; empty: none
};

// Progress goes to stderr. The first error ends the work.
ValidateAnswers answer_pairs(const Session& session, const std::vector<PairRecord>& pairs, Target target,
                             const ValidateHow& how);

}  // namespace cp
