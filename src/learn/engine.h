#pragma once
// In:  a model, vision features of one pair.
// Out: every stage of the answer, computed by the networks that are trained: what parity tests compare with runtime/.
// Not here: speed (runtime/session.h answers users), images.

#include <cstdint>
#include <string>
#include <vector>

#include "data/geometry.h"
#include "learn/nano_model.h"
#include "runtime/efficientnet_lite.h"

namespace cp {

struct EngineAnswer {
  std::vector<float> map;         // (64 64) logits
  float flag = 0;                 // logit
  std::vector<float> embeddings;  // (18 D) visual
  std::vector<float> hidden;      // (T D) last hidden states of the prompt
  std::vector<float> logits;      // (V) at the prompt's last position
  bool changed = false;
  std::string caption;
  std::vector<float> samples;  // (N 3), before the choice of a point
  double x = 0.5, y = 0.5;     // fractions
};

// The default instruction; the noise is start_noise(seed, samples), the runtime's.
EngineAnswer answer_by_training_engine(const NanoModel& model, const EfficientNetLite::Features& before,
                                       const EfficientNetLite::Features& after, std::uint64_t seed);

}  // namespace cp
