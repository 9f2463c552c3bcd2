#include "data/synth_render.h"

namespace cp::synth {

GroundNoise::GroundNoise(const Scene& scene)
    : low(value_noise(scene.size, 128, 4, scene.noise_seed)),
      fine(value_noise(scene.size, 16, 3, scene.noise_seed + 101)),
      patches(value_noise(scene.size, 64, 3, scene.noise_seed + 202)) {}

Look make_look(Rng& rng) {
  Look look;
  look.season = static_cast<Season>(pick(rng, 0, 2));
  // The sun stands in the south, east or west of it by up to about 60 degrees: shadows fall northwards.
  look.shadow = unit({pick(rng, -170, 170), -100});
  look.shadow_percent = pick(rng, 60, 125);
  const int light = pick(rng, 236, 282), warmth = pick(rng, -9, 9);
  look.gain[0] = light + warmth;
  look.gain[1] = light;
  look.gain[2] = light - warmth;
  look.contrast = pick(rng, 240, 290);
  look.shift = {pick(rng, -1, 1), pick(rng, -1, 1)};
  look.noise_seed = rng.bits();
  look.noise = pick(rng, 2, 6);
  return look;
}

}  // namespace cp::synth
