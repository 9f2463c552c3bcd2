#pragma once
// In:  the plan of a place and how the light is.
// Out: what a camera straight above sees, and the mask of what changed.
// Not here: what stands where (synth_scene.h).

#include <cstdint>
#include <vector>

#include "data/synth_scene.h"
#include "image/image.h"

namespace cp::synth {

enum class Season { green, dry, autumn };

// How a photograph differs from another one of the same place.
struct Look {
  Season season = Season::green;
  Vec shadow{2896, 2896};         // unit vector: where shadows fall
  int shadow_percent = 100;       // length of a shadow, share of the height
  int gain[3] = {256, 256, 256};  // red, green, blue in 1/256
  int contrast = 256;             // in 1/256, about 110
  Vec shift;                      // canvas pixels
  std::uint32_t noise_seed = 0;
  int noise = 3;  // largest sensor noise, grey levels
};
Look make_look(Rng& rng);

// Noise fields of the ground, the same for both photographs.
struct GroundNoise {
  explicit GroundNoise(const Scene& scene);
  std::vector<std::uint8_t> low, fine, patches;
};

// (size / 2, size / 2, 3): the canvas averaged 2 x 2.
Image render(const Scene& scene, const GroundNoise& noise, bool later, const Look& look);
// (size / 2, size / 2, 1): 255 roofs of houses that came or went, 128 roads that did, where they cover half of a pixel.
Image render_label(const Scene& scene);

}  // namespace cp::synth
