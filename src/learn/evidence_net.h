#pragma once
// In:  last hidden states of the visual grid and of the prompt's end, the change map and flag, by row.
// Out: evidence for every cell of a 64 x 64 grid; the closed-form mean of a clean action given a noisy one.
// Not here: what the numbers mean (runtime/evidence.h, runtime/places.h: the same arithmetic), losses (stage_head.cpp).

#include "learn/params.h"
#include "runtime/evidence.h"

namespace cp {

// What a batch of prompts says to the action head. Undefined: not read, or the model has none.
struct HiddenBatch {
  at::Tensor grid;    // (B N D) last hidden states of the visual grid
  at::Tensor last;    // (B D) of the prompt's last position
  at::Tensor map;     // (B 64 64) change map logits
  at::Tensor planes;  // (B 3 64 64) component_planes() of the map
  at::Tensor flag;    // (B) calibrated log-odds of a change
  at::Tensor visual;  // (B N' D) visual embeddings, from which `read` is computed in training
  at::Tensor read;    // (B 4 D) last hidden states of the readout tokens

  HiddenBatch rows(const at::Tensor& index) const;  // (R) i64
};

// Sets map, planes and flag of a batch, without gradients: `map` (B 64 64) and `flag` (B) logits.
void set_map(HiddenBatch& hidden, const at::Tensor& map, const at::Tensor& flag_log_odds);

// A density of clean actions by row (runtime/places.h).
struct PlacesBatch {
  at::Tensor evidence;       // (B S S) logits
  at::Tensor action_logit;   // (B)
  at::Tensor spread;         // ()
  at::Tensor action_spread;  // ()

  // x (B R 3), alpha and sigma (B R 1) -> mean clean actions (B R 3).
  at::Tensor clean(const at::Tensor& x, const at::Tensor& alpha, const at::Tensor& sigma) const;
  at::Tensor mean() const;  // (B 3)
  // Log density of the places (u, v) of x (B R 3), per row (B R); log-probability of the sign of a, (B R).
  at::Tensor log_density(const at::Tensor& x) const;
  at::Tensor log_action(const at::Tensor& x) const;
};

// The network `evidence.*` of docs/nano.md 5. Dropout is on whole channels before each dilated convolution.
PlacesBatch evidence_places(const ParamSet& params, const Evidence::Shape& shape, const HiddenBatch& hidden,
                            double dropout, bool training);

}  // namespace cp
