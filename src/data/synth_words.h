#pragma once
// In:  a planned scene and the mask of its change.
// Out: five English sentences as LEVIR-CC's annotators write them and five Chinese ones, with the place as the mask has
// it. Not here: the scene (synth_scene.h).

#include <string>
#include <vector>

#include "data/directions.h"
#include "data/synth_scene.h"
#include "image/image.h"

namespace cp::synth {

struct Sentences {
  std::vector<std::string> english, chinese;
};
Sentences describe(Rng& rng, const Scene& scene, const Image& label);

const char* change_name(Change change);  // "none", "houses built", "houses removed", "road built"

// Where the change lies: beyond 60 % of the extent on an axis, or spread over more than 60 % of it, counts as right or
// left, or as neither. `stated` is false when the change has no place that words would name.
struct Place {
  Direction direction;
  bool stated = false;
};
Place find_place(const Image& label);

}  // namespace cp::synth
