#pragma once
// In:  an English caption and a turn or mirror of the image it speaks about.
// Out: the caption with its direction words rewritten, or none when that cannot be done safely.
// Not here: pixels and points (augment.h).

#include <optional>
#include <string>
#include <vector>

namespace cp {

// One of the eight symmetries of the square on directions of the image: dx to the right, dy downwards.
// (dx, dy) -> (xx dx + xy dy, yx dx + yy dy); entries are -1, 0 or 1.
struct DirectionMap {
  int xx = 1, xy = 0, yx = 0, yy = 1;
  bool operator==(const DirectionMap&) const = default;
};

// `quarter_turns` counter-clockwise turns, then the left-right mirror if asked (the order of View).
DirectionMap direction_map(int quarter_turns, bool mirror);

// Where a phrase points: "top left" is (-1, -1), "on the right" (1, 0), "above" (0, -1). Never (0, 0): the middle is
// the middle in every view.
struct Direction {
  int dx = 0, dy = 0;
  bool operator==(const Direction&) const = default;
};
Direction map_direction(Direction direction, const DirectionMap& map);

// The directions that a caption names, in its order. Words in another sense ("cut down", "at a right angle", "have
// left", "show up", "both sides") are none.
std::vector<Direction> find_directions(const std::string& caption);

// The caption of the mapped image. Words keep their place and style where English allows it ("upper left corner" ->
// "lower left corner"); where a horizontal word becomes a vertical one or the reverse the customary phrase is used ("on
// the left" -> "at the top", "above the road" -> "on the left of the road"). None when a word may or may not be a
// direction that the map changes ("right next to it", "at the top of the hill", "under the bridge", "two vertical
// roads").
std::optional<std::string> rewrite_directions(const std::string& caption, const DirectionMap& map);

}  // namespace cp
