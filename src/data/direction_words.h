#pragma once
// In:  one English word.
// Out: the direction stems it is made of ("left", "lower-right", "northeastern", "left-hand"), and the stem of another
//      direction in the same style.
// Not here: what the word means among its neighbours (directions.cpp).

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

// edge: top, bottom (nouns); tier: upper, lower (adjectives); compass: north, south; updown: up, down (only in
// compounds). left and right belong to edge; east and west to compass.
enum class StemStyle { edge, tier, compass, updown };

struct Stem {
  int dx = 0, dy = 0;  // one of them is 0, the other -1 or 1
  StemStyle style = StemStyle::edge;
};

struct DirectionWord {
  std::vector<Stem> stems;  // one, or two in a compound
  std::string joint;        // between two stems: "" or "-"
  std::string suffix;       // "", "-hand", "most", "ern", "ward", ...
  bool capital = false;
};

// None when the word holds anything else than stems and a known suffix ("copyright", "toppled", "right-angled").
std::optional<DirectionWord> parse_direction_word(std::string_view word);

// The stem for (dx, dy); a style without such a stem falls back on left/right.
std::string stem_text(int dx, int dy, StemStyle style);

std::string render_direction_word(const DirectionWord& word);

}  // namespace cp
