#include "data/split.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/levir.h"

namespace cp {
namespace {

// `scenes` scenes with 1 to 16 tiles each, some missing as in the real data.
std::vector<std::string> tiles(int scenes) {
  std::vector<std::string> names;
  for (int scene = 0; scene < scenes; ++scene)
    for (int tile = 0; tile < 16 - scene % 5; ++tile)
      names.push_back(fmt::format("train_{:06}.png", scene * 16 + tile + 1));
  return names;
}

TEST(Split, KeepsTheTilesOfASceneTogether) {
  const auto names = tiles(40);
  const auto splits = draw_splits(names, 7);
  std::map<std::string, std::set<std::string>> splits_of_scene;
  for (std::size_t i = 0; i < names.size(); ++i) splits_of_scene[scene_group(names[i])].insert(splits[i]);
  EXPECT_EQ(splits_of_scene.size(), 40u);
  for (const auto& [scene, found] : splits_of_scene) EXPECT_EQ(found.size(), 1u) << scene;
}

TEST(Split, IsSeventyFifteenFifteenToWithinOneScene) {
  const auto names = tiles(40);
  const auto n = static_cast<double>(names.size());
  int seen = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto splits = draw_splits(names, seed);
    for (const auto& [split, share] : {std::pair{"train", 0.70}, {"val", 0.15}, {"test", 0.15}}) {
      EXPECT_NEAR(static_cast<double>(std::count(splits.begin(), splits.end(), split)), share * n, 16)
          << split << " " << seed;
      ++seen;
    }
  }
  EXPECT_EQ(seen, 60);
}

TEST(Split, EveryPartGetsSomethingFromThreeScenesOn) {
  for (int scenes = 3; scenes < 8; ++scenes) {
    const auto splits = draw_splits(tiles(scenes), 1);
    EXPECT_EQ(std::set<std::string>(splits.begin(), splits.end()).size(), 3u) << scenes;
  }
  const auto one = draw_splits({"a.png"}, 1);
  EXPECT_EQ(one, std::vector<std::string>{"train"});
  EXPECT_TRUE(draw_splits({}, 1).empty());
}

TEST(Split, DependsOnTheSeedAndNotOnTheOrderOfTheNames) {
  auto names = tiles(12);
  const auto first = draw_splits(names, 3);
  EXPECT_EQ(first, draw_splits(names, 3));
  EXPECT_NE(first, draw_splits(names, 4));
  auto reversed = names;
  std::reverse(reversed.begin(), reversed.end());
  auto back = draw_splits(reversed, 3);
  std::reverse(back.begin(), back.end());
  EXPECT_EQ(first, back);
}

TEST(Split, FoldsAreOfEqualSizeToWithinOneScene) {
  const auto names = tiles(20);
  const auto folds = assign_folds(names, 4, 5);
  for (int fold = 0; fold < 4; ++fold)
    EXPECT_NEAR(static_cast<double>(std::count(folds.begin(), folds.end(), fold)),
                static_cast<double>(names.size()) / 4, 16);
  std::map<std::string, std::set<int>> folds_of_scene;
  for (std::size_t i = 0; i < names.size(); ++i) folds_of_scene[scene_group(names[i])].insert(folds[i]);
  for (const auto& [scene, found] : folds_of_scene) EXPECT_EQ(found.size(), 1u) << scene;
}

TEST(Split, APartWithoutAShareGetsNothing) {
  const auto parts = assign_parts(tiles(9), {1, 0, 1}, 2);
  EXPECT_EQ(std::count(parts.begin(), parts.end(), 1), 0);
  EXPECT_GT(std::count(parts.begin(), parts.end(), 2), 0);
}

}  // namespace
}  // namespace cp
