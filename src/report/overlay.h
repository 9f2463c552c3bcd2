#pragma once
// In:  the two images and the answer on them.
// Out: one picture: before, after, and after with change map, region, samples and the answered point; caption and
// action
//      in words below, in the language of the caption.
// Not here: files (image/write.h), the answer (runtime/session.h).

#include "image/image.h"
#include "runtime/session.h"

namespace cp {

struct OverlayOptions {
  int panel = 400;  // px, longer side of each of the three images; 64 .. 2048
};

// `before` and `after` (H W 3) of one size. Nothing depends on the machine but the fonts that it has (image/font.h).
Image draw_overlay(const Image& before, const Image& after, const Answer& answer, const OverlayOptions& options = {});

}  // namespace cp
