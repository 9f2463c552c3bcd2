#pragma once
// In:  RGB frames of one size and how long each is shown.
// Out: an animated GIF89a. The same frames give the same bytes on every machine.
// Not here: drawing the frames (draw.h), reading GIF.

#include <string>
#include <vector>

#include "image/image.h"

namespace cp {

struct GifFrame {
  Image image;          // (H W 3), at most 65535 x 65535
  int hundredths = 10;  // of a second, 2 .. 65535: viewers replace shorter times by their own
};

// Plays without end. One palette for all frames: up to 255 different colours are kept exactly, more are reduced by a
// median cut (Heckbert 1982) over 15-bit colours, without dithering, so that what does not move does not flicker.
// Later frames hold only what differs from the frame before. BugError for no frames or other sizes.
std::string encode_gif(const std::vector<GifFrame>& frames);

}  // namespace cp
