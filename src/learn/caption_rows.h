#pragma once
// In:  pairs' prompts, visual embeddings and captions.
// Out: rows that the language model reads, either all samples packed into one or one padded row a caption, and where
//      in them the losses stand.
// Not here: which captions (published_stages.h), the loss (answer_loss.h).

#include <vector>

#include "learn/language_net.h"
#include "text/template.h"

namespace cp {

// One pair: a prompt and captions that answer it (ids with the end token).
struct CaptionSample {
  const Prompt* prompt = nullptr;
  std::vector<std::vector<int>> captions;
};

// Places are numbers into the rows' positions, row-major.
struct CaptionRows {
  std::vector<Segment> segments;  // packed: what the one row holds; empty: padded rows
  at::Tensor ids;                 // (B T) i64; padded rows: on the right
  at::Tensor real;                // (B T) bool, false where padded; undefined when packed
  at::Tensor visual_places;       // (all visual positions) i64
  at::Tensor visual_rows;         // which row of (samples * N, D) stands there
  at::Tensor answer_places;       // (A) i64: positions that predict a caption's token
  at::Tensor labels;              // (A) i64: those tokens
  at::Tensor last_places;         // (samples) i64: each prompt's last position
};

// A caption's token is predicted by the position before it; the end token is not read, so a caption of n tokens takes
// n - 1 positions. Every prompt has the same number of visual positions.
CaptionRows packed_rows(const std::vector<CaptionSample>& samples);
CaptionRows padded_rows(const std::vector<CaptionSample>& samples);

// Last hidden states of all positions (B * T, D); `visual` (samples N D).
at::Tensor hidden_states(const LanguageNet& language, const CaptionRows& rows, const at::Tensor& visual, bool training);

}  // namespace cp
