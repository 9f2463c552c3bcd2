#pragma once
// In:  the image after, the answer on the pair, the samples on their way from noise (Trace::noise, Trace::steps).
// Out: frames that show how the action head's samples gather, the last one with the answered point.
// Not here: the GIF file (image/gif.h), the same as a slider in a page (report_cases.h).

#include "image/gif.h"
#include "runtime/session.h"

namespace cp {

struct AnimationOptions {
  int panel = 384;              // px, longer side of the image; 64 .. 2048
  int step_hundredths = 35;     // how long a step is shown
  int answer_hundredths = 250;  // and the answer at the end
};

// One frame for the start noise, one for each step, one for the answer. Samples outside the image stand on its edge.
// Text is in the language of the caption. BugError when the trace holds no samples.
std::vector<GifFrame> denoising_frames(const Image& after, const Answer& answer, const Trace& trace,
                                       const AnimationOptions& options = {});

}  // namespace cp
