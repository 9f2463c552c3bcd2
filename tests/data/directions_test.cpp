#include "data/directions.h"

#include <algorithm>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "data/direction_words.h"
#include "data/levir.h"
#include "support/test_support.h"

namespace cp {
namespace {

const std::vector<std::pair<int, bool>> kViews = {{0, false}, {1, false}, {2, false}, {3, false},
                                                  {0, true},  {1, true},  {2, true},  {3, true}};

std::string rewritten(const std::string& caption, int turns, bool mirror = false) {
  return rewrite_directions(caption, direction_map(turns, mirror)).value_or("<none>");
}

DirectionMap inverse_of(int turns, bool mirror) {
  return mirror ? direction_map(turns, true) : direction_map((4 - turns) % 4, false);
}

std::vector<Direction> mapped(std::vector<Direction> directions, const DirectionMap& map) {
  for (Direction& d : directions) d = map_direction(d, map);
  return directions;
}

// Every word that is no direction, article, or place preposition.
std::vector<std::string> other_words(const std::string& caption) {
  static const std::set<std::string> kMayChange = {
      "at",    "on",    "in",   "to",        "the",      "of",         "a",          "an",
      "above", "below", "hand", "left-hand", "vertical", "horizontal", "vertically", "horizontally"};
  std::vector<std::string> out;
  std::string word;
  for (const char c : caption + " ") {
    if (c != ' ') {
      word += c;
      continue;
    }
    if (!word.empty() && !kMayChange.contains(word) && !parse_direction_word(word)) out.push_back(word);
    word.clear();
  }
  return out;
}

TEST(DirectionMap, TurnsRightIntoTopAndMirrorsAfterwards) {
  EXPECT_EQ(map_direction({1, 0}, direction_map(1, false)), (Direction{0, -1}));
  EXPECT_EQ(map_direction({0, -1}, direction_map(1, false)), (Direction{-1, 0}));
  EXPECT_EQ(map_direction({-1, -1}, direction_map(1, false)), (Direction{-1, 1}));
  EXPECT_EQ(map_direction({0, -1}, direction_map(1, true)), (Direction{1, 0}));
  EXPECT_EQ(direction_map(4, false), DirectionMap{});
}

TEST(Directions, AreRewrittenInNaturalWords) {
  const struct {
    const char *caption, *turned, *half_turned, *mirrored;
  } kCases[] = {
      {"a house in the upper left corner of the scene", "a house in the lower left corner of the scene",
       "a house in the lower right corner of the scene", "a house in the upper right corner of the scene"},
      {"houses at the top of the scene", "houses on the left of the scene", "houses at the bottom of the scene",
       "houses at the top of the scene"},
      {"houses in the upper part of the scene", "houses in the left part of the scene",
       "houses in the lower part of the scene", "houses in the upper part of the scene"},
      {"a road in the left half", "a road in the lower half", "a road in the right half", "a road in the right half"},
      {"trees on the left and a road on the right", "trees at the bottom and a road at the top",
       "trees on the right and a road on the left", "trees on the right and a road on the left"},
      {"trees on the right side", "trees on the top side", "trees on the left side", "trees on the left side"},
      {"the grass above is cleared", "the grass on the left is cleared", "the grass below is cleared",
       "the grass above is cleared"},
      {"houses above the road", "houses on the left of the road", "houses below the road", "houses above the road"},
      {"houses on the left of the road", "houses below the road", "houses on the right of the road",
       "houses on the right of the road"},
      {"a villa in the northeast", "a villa in the northwest", "a villa in the southwest", "a villa in the northwest"},
      {"woods in the west", "woods in the south", "woods in the east", "woods in the east"},
      {"a northern road", "a western road", "a southern road", "a northern road"},
      {"an eastern road", "a northern road", "a western road", "a western road"},
      {"an upper-right corner", "an upper-left corner", "a lower-left corner", "an upper-left corner"},
      {"the top-left corner", "the bottom-left corner", "the bottom-right corner", "the top-right corner"},
      {"the left bottom corner", "the right bottom corner", "the right top corner", "the right bottom corner"},
      {"the upper left-hand corner", "the lower left-hand corner", "the lower right-hand corner",
       "the upper right-hand corner"},
      {"on the left-hand side", "on the bottom side", "on the right-hand side", "on the right-hand side"},
      {"on the lefthand side", "on the bottom side", "on the righthand side", "on the righthand side"},
      {"the leftmost house", "the bottommost house", "the rightmost house", "the rightmost house"},
      {"Left side cleared.", "Bottom side cleared.", "Right side cleared.", "Right side cleared."},
      {"from left to right", "from bottom to top", "from right to left", "from right to left"},
      {"a horizontal road", "a vertical road", "a horizontal road", "a horizontal road"},
      {"in the middle left of the scene", "in the middle bottom of the scene", "in the middle right of the scene",
       "in the middle right of the scene"},
      {"houses at the top and bottom", "houses on the left and right", "houses at the bottom and top",
       "houses at the top and bottom"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(rewritten(c.caption, 1), c.turned);
    EXPECT_EQ(rewritten(c.caption, 2), c.half_turned);
    EXPECT_EQ(rewritten(c.caption, 0, true), c.mirrored);
    EXPECT_EQ(rewritten(c.caption, 0), c.caption);
  }
}

TEST(Directions, WordsInAnotherSenseStay) {
  const char* kCaptions[] = {"trees are cut down and some houses are built",
                             "a building is torn down",
                             "houses have been knocked down",
                             "houses have sprung up along the road",
                             "a residential area is built up",
                             "some houses show up in the middle of the woods",
                             "many cars have left the parking lot",
                             "no forest is left",
                             "a road at a right angle",
                             "houses on both sides of the road",
                             "a road vertical to the original one",
                             "some houses are under construction",
                             "houses in front of the forest",
                             "the higher buildings are gone",
                             "a copyright sign",
                             "there is no difference"};
  for (const char* caption : kCaptions) {
    EXPECT_TRUE(find_directions(caption).empty()) << caption;
    for (const auto& [turns, mirror] : kViews) EXPECT_EQ(rewritten(caption, turns, mirror), caption);
  }
}

TEST(Directions, UnclearWordsGiveNoneOnlyWhereTheViewChangesThem) {
  const char* kVertical[] = {"a tower at the top of the hill", "a road under the bridge",
                             "solar panels on top of the building", "the road going up and down is widened",
                             "the upper floor is gone"};
  for (const char* caption : kVertical) {
    EXPECT_EQ(rewritten(caption, 1), "<none>") << caption;
    EXPECT_EQ(rewritten(caption, 2), "<none>") << caption;
    EXPECT_EQ(rewritten(caption, 0, true), caption);
  }
  const char* kHorizontal[] = {"a house right next to the road", "an open space left", "the road turns right"};
  for (const char* caption : kHorizontal) {
    EXPECT_EQ(rewritten(caption, 1), "<none>") << caption;
    EXPECT_EQ(rewritten(caption, 0, true), "<none>") << caption;
    EXPECT_EQ(rewritten(caption, 2, true), caption);  // upside down: left stays left
  }
  const char* kSwap[] = {"two vertical roads are built", "houses in the bottom left and right corner",
                         "a longitudinal road"};
  for (const char* caption : kSwap) {
    EXPECT_EQ(rewritten(caption, 1), "<none>") << caption;
    EXPECT_NE(rewritten(caption, 2), "<none>") << caption;
  }
  EXPECT_EQ(rewritten("左上角新建了一栋房屋", 0, true), "<none>");
  EXPECT_EQ(rewritten("空地上新建了一栋房屋", 1), "空地上新建了一栋房屋");
}

// Every caption of LEVIR-CC that names a direction, under every view.
TEST(Directions, OfRealCaptionsFollowTheView) {
  CP_SKIP_WITHOUT_DATA(folder, "levir-cc-captions");
  std::set<std::string> captions;
  for (const PairRecord& pair : read_levir_captions(folder / "LevirCCcaptions.json").pairs) {
    captions.insert(pair.captions.begin(), pair.captions.end());
  }
  int turns_asked = 0, turns_done = 0, restored = 0, with_direction = 0;
  for (const std::string& caption : captions) {
    const std::vector<Direction> directions = find_directions(caption);
    with_direction += directions.empty() ? 0 : 1;
    for (const auto& [turns, mirror] : kViews) {
      const DirectionMap map = direction_map(turns, mirror);
      const std::optional<std::string> changed = rewrite_directions(caption, map);
      if (turns % 2 == 1 && !directions.empty()) ++turns_asked;
      if (!changed) continue;
      ASSERT_EQ(find_directions(*changed), mapped(directions, map)) << caption << "\n" << *changed;
      ASSERT_EQ(other_words(*changed), other_words(caption)) << *changed;
      if (turns % 2 == 0) {  // axes keep their words, so the way back is exact, but for "higher"
        if (caption.find("higher") == std::string::npos) {
          ASSERT_EQ(rewrite_directions(*changed, inverse_of(turns, mirror)).value_or("<none>"), caption);
        }
        continue;
      }
      if (directions.empty()) continue;
      ++turns_done;
      const std::optional<std::string> back = rewrite_directions(*changed, inverse_of(turns, mirror));
      if (!back) continue;  // "a horizontal road" became a vertical one, whose meaning is not sure any more
      ASSERT_EQ(find_directions(*back), directions) << *back;
      restored += *back == caption ? 1 : 0;
    }
    // Turning twice is turning by 180 degrees.
    const std::optional<std::string> once = rewrite_directions(caption, direction_map(1, false));
    const std::optional<std::string> twice = once ? rewrite_directions(*once, direction_map(1, false)) : std::nullopt;
    if (twice) {
      ASSERT_EQ(find_directions(*twice), mapped(directions, direction_map(2, false))) << *twice;
    }
  }
  std::cout << captions.size() << " different captions, " << with_direction
            << " with a direction; quarter turns: " << turns_done << " of " << turns_asked << " rewritten, " << restored
            << " restored to the letter by the inverse\n";
  EXPECT_GT(with_direction, 3000);
  EXPECT_GE(turns_done, 0.98 * turns_asked);
  EXPECT_GE(restored, 0.9 * turns_done);
}

// Every sentence part that holds a direction stem is either a direction or one of the known other senses.
TEST(Directions, NoneOfTheRealOnesIsOverlooked) {
  CP_SKIP_WITHOUT_DATA(folder, "levir-cc-captions");
  int visited = 0, other_senses = 0;
  for (const PairRecord& pair : read_levir_captions(folder / "LevirCCcaptions.json").pairs) {
    for (const std::string& caption : pair.captions) {
      bool has_stem = false;
      for (const char* stem : {" left", " right", " top", " bottom", " upper", " lower", " above", " below"}) {
        has_stem = has_stem || (" " + caption).find(stem) != std::string::npos;
      }
      if (!has_stem) continue;
      ++visited;
      if (!find_directions(caption).empty() || !rewrite_directions(caption, direction_map(1, false))) continue;
      ++other_senses;
      EXPECT_TRUE(caption.find("right angle") != std::string::npos || caption.find("left") != std::string::npos)
          << caption;
    }
  }
  EXPECT_GT(visited, 4000);
  EXPECT_LT(other_senses, 60);
}

TEST(Directions, TwinWithTheWrongTurnIsDetected) {
  const std::string caption = "houses in the upper left corner and a road on the right";
  const std::string wrong = rewritten(caption, 3);  // clockwise instead of counter-clockwise
  EXPECT_NE(find_directions(wrong), mapped(find_directions(caption), direction_map(1, false)));
}

}  // namespace
}  // namespace cp
