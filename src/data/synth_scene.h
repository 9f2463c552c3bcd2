#pragma once
// In:  random numbers.
// Out: the plan of a place at two times: roads, houses, trees, cars, ground; and what changes between them.
// Not here: colours and pixels (synth_render.h).

#include <vector>

#include "data/synth_math.h"

namespace cp::synth {

// Lengths are canvas pixels: half an image pixel, about 0.25 m. The canvas is `size` x `size`.
inline constexpr int kSupersample = 2;

struct When {
  bool before = true, after = true;
  bool at(bool later) const { return later ? after : before; }
  bool changes() const { return before != after; }
};

enum class Surface { asphalt, concrete, dirt };
struct Road {
  std::vector<Vec> points;  // polyline
  int half_width = 14;
  Surface surface = Surface::asphalt;
  bool line = false;  // dashes in the middle
  When when;
};

enum class Roof { gable, hip };
// A rectangle with a roof; its long side and ridge lie along `axis`.
struct Block {
  Vec at, axis;
  int half_length = 0, half_width = 0;
  Roof roof = Roof::hip;
};
struct House {
  std::vector<Block> blocks;  // one, or two for an L
  int colour = 0;             // index of the roof's colour
  int height = 14;
  Vec front, drive;  // the driveway leads from `front` to `drive`
  bool pool = false;
  Vec pool_at;
  When when;
};

struct Tree {
  Vec at;
  int radius = 0;
  int tone = 0;
  When when;
};

struct Car {
  Vec at, axis;
  int colour = 0;
  When when;
};

// A soft-edged rectangle of another ground.
enum class Ground { soil, lawn };
struct Patch {
  Vec at, axis;
  int half_length = 0, half_width = 0;
  Ground ground = Ground::soil;
  When when;
};

enum class Biome { grass, bareland, woods };
enum class Change { none, houses_built, houses_removed, road_built };

struct Scene {
  int size = 0;
  std::uint32_t noise_seed = 0;
  Biome biome = Biome::grass;
  std::vector<Patch> patches;
  std::vector<Road> roads;
  std::vector<House> houses;
  std::vector<Tree> trees;
  std::vector<Car> cars;
  Change change = Change::none;
  // Where it happens, for the words.
  Ground change_ground = Ground::lawn;  // under what was built
  int houses_changed = 0, trees_removed = 0, trees_planted = 0;
};

// A scene whose change is `change`; houses and roads that change lie inside the image by more than half of their area.
Scene make_scene(Rng& rng, int size, Change change);

}  // namespace cp::synth
