#pragma once
// In:  vision features of both images at strides 8, 16, 32.
// Out: change map logits, change flag logit, fused features; visual embeddings and concept logits (docs/nano.md 2 and
// 3). Not here: the vision encoder (runtime/, frozen), the language model (language_net.h).

#include "learn/params.h"

namespace cp {

// Features of a batch of images: index 0 = stride 8 (B 40 32 32), 1 = stride 16 (B 112 16 16), 2 = stride 32 (B 320 8
// 8).
struct FeatureBatch {
  at::Tensor s8, s16, s32;
};

struct FusionOut {
  at::Tensor map;    // (B 64 64) logits
  at::Tensor flag;   // (B) logit
  at::Tensor fused;  // (B 64 32 32)
};

// Visual embeddings of a pair: 4 x 4 cells, the flag, the concepts.
inline constexpr int kVisualTokens = 18;
inline constexpr int kGridTokens = 16;

class FusionNet {
 public:
  explicit FusionNet(std::uint64_t seed);
  // Dropout (0.1 on channels, 0.2 before the flag) only when `training`.
  FusionOut forward(const FeatureBatch& a, const FeatureBatch& b, bool training) const;

  ParamSet params;
};

struct ProjectorOut {
  at::Tensor grid;      // (B 16 D) visual embeddings of the 4 x 4 grid, row-major
  at::Tensor concepts;  // (B C) logits
};

class Projector {
 public:
  Projector(std::uint64_t seed, int hidden, int concepts);
  ProjectorOut forward(const FeatureBatch& a, const FeatureBatch& b, const FusionOut& fusion, bool training) const;
  // (B 18 D): grid, then the flag's row (`changed` (B) i64, 0 or 1), then the concepts' embedding (`probabilities` (B
  // C)).
  at::Tensor embeddings(const at::Tensor& grid, const at::Tensor& changed, const at::Tensor& probabilities) const;
  // (B 2 D): flag and concepts alone, for pre-training on text.
  at::Tensor text_embeddings(const at::Tensor& changed, const at::Tensor& probabilities) const;

  ParamSet params;
};

}  // namespace cp
