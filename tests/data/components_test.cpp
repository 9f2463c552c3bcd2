#include "data/components.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "core/json.h"
#include "support/test_support.h"

namespace cp {
namespace {

Image mask_of(int width, int height, const std::vector<std::uint8_t>& pixels) {
  Image mask(width, height, 1);
  mask.pixels = pixels;
  return mask;
}

// Empty when equal to scipy's list; else the first difference.
std::string difference(const std::vector<Component>& got, const Json& want) {
  if (got.size() != want.size()) return fmt::format("{} components, wanted {}", got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Json& w = want[i];
    const auto box = w.at("box").get<std::vector<double>>();
    const auto centroid = w.at("centroid").get<std::vector<double>>();
    const Component& g = got[i];
    if (w.at("class") != change_class_name(g.kind)) return fmt::format("class of component {}", i);
    if (g.area != w.at("area")) return fmt::format("area of component {}", i);
    if (!(g.box == Box{box[0], box[1], box[2], box[3]})) return fmt::format("box of component {}", i);
    // The sums are whole numbers; only one division and one addition are rounded.
    if (std::abs(g.centroid.x - centroid[0]) > 1e-9 || std::abs(g.centroid.y - centroid[1]) > 1e-9)
      return fmt::format("centroid of component {}", i);
  }
  return "";
}

struct GoldenMask {
  std::string name;
  Image mask;
  Json eight, four;
};

std::vector<GoldenMask> golden_masks() {
  std::vector<GoldenMask> masks;
  const Json golden = read_json(test::golden("data/components.json"), ErrorKind::data);
  for (const Json& c : golden.at("cases"))
    masks.push_back(
        {c.at("name"), mask_of(c.at("width"), c.at("height"), c.at("pixels")), c.at("eight"), c.at("four")});
  return masks;
}

TEST(Components, EqualScipyWithEightNeighbours) {
  int seen = 0;
  for (const GoldenMask& m : golden_masks()) {
    EXPECT_EQ(difference(find_components(m.mask), m.eight), "") << m.name;
    ++seen;
  }
  EXPECT_EQ(seen, 13);
}

TEST(Components, GoldenComparisonDetectsFourNeighbours) {
  int seen = 0;
  for (const GoldenMask& m : golden_masks()) {
    if (m.eight == m.four) continue;
    EXPECT_NE(difference(find_components(m.mask), m.four), "") << m.name;
    ++seen;
  }
  EXPECT_EQ(seen, 7);
}

TEST(Components, GoldenComparisonDetectsPixelCornersAsCentres) {
  int seen = 0;
  for (const GoldenMask& m : golden_masks()) {
    std::vector<Component> shifted = find_components(m.mask);
    if (shifted.empty()) continue;
    for (Component& c : shifted) c.centroid = {c.centroid.x - 0.5, c.centroid.y - 0.5};
    EXPECT_NE(difference(shifted, m.eight), "") << m.name;
    ++seen;
  }
  EXPECT_EQ(seen, 12);
}

TEST(Components, LeavesOutSmallOnes) {
  const Image mask = mask_of(5, 1, {255, 255, 0, 255, 0});
  EXPECT_EQ(find_components(mask, 1).size(), 2u);
  ASSERT_EQ(find_components(mask, 2).size(), 1u);
  EXPECT_EQ(find_components(mask, 2)[0].area, 2);
  EXPECT_TRUE(find_components(mask, 3).empty());
}

TEST(Components, ZeroOneMaskIsNotEmpty) {
  const auto found = find_components(mask_of(3, 1, {0, 1, 1}));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, ChangeClass::change);
  EXPECT_EQ(found[0].area, 2);
}

TEST(Components, ALargeSnakeDoesNotExhaustTheStack) {
  Image mask(2048, 2048, 1);
  for (int y = 0; y < mask.height; y += 2) {
    for (int x = 0; x < mask.width; ++x) *mask.at(x, y) = 255;
    if (y + 1 < mask.height) *mask.at(y % 4 == 0 ? mask.width - 1 : 0, y + 1) = 255;
  }
  const auto found = find_components(mask);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].area, 1024 * 2048 + 1024);
}

// Two buildings: 2 x 2 at the left edge, 1 x 1 at the lower right of an 8 x 4 mask.
Image two_buildings() {
  Image mask(8, 4, 1);
  for (const auto& [x, y] : {std::pair{0, 0}, {1, 0}, {0, 1}, {1, 1}, {7, 3}}) *mask.at(x, y) = 255;
  return mask;
}

TEST(ActionTarget, FollowsTheChosenRule) {
  const Image mask = two_buildings();
  const auto components = find_components(mask);
  const auto largest = make_action_target(mask, components, Target::largest, 1);
  EXPECT_TRUE(largest.has_point);
  EXPECT_EQ(largest.a, 1);
  EXPECT_DOUBLE_EQ(largest.x, 1.0 / 8);
  EXPECT_DOUBLE_EQ(largest.y, 1.0 / 4);
  const auto all = make_action_target(mask, components, Target::union_box, 1);
  EXPECT_DOUBLE_EQ(all.x, 0.5);
  EXPECT_DOUBLE_EQ(all.y, 0.5);
  const auto centroid = make_action_target(mask, components, Target::centroid, 1);
  EXPECT_DOUBLE_EQ(centroid.x, (4 * 1.0 + 7.5) / 5 / 8);
  EXPECT_DOUBLE_EQ(centroid.y, (4 * 1.0 + 3.5) / 5 / 4);
}

TEST(ActionTarget, HasNoPointWithoutAMaskOrAChange) {
  const Image empty(8, 4, 1);
  const auto unmarked = make_action_target(empty, {}, Target::largest, 1);
  EXPECT_FALSE(unmarked.has_point);
  EXPECT_EQ(unmarked.a, 1);
  EXPECT_EQ(unmarked.x, 0.5);
  const Image mask = two_buildings();
  const auto contradictory = make_action_target(mask, find_components(mask), Target::largest, 0);
  EXPECT_FALSE(contradictory.has_point);
  EXPECT_EQ(contradictory.a, 0);
}

TEST(ActionTarget, NamesAreParsedOrRefused) {
  EXPECT_EQ(parse_target("largest"), Target::largest);
  EXPECT_EQ(parse_target("union"), Target::union_box);
  EXPECT_EQ(parse_target("centroid"), Target::centroid);
  EXPECT_TRUE(
      test::throws_user_error([] { parse_target("biggest"); }, ErrorKind::usage, {"biggest", "largest, union"}));
}

TEST(Agreement, OnlyAnUnchangedPairWithAMarkedChangeContradicts) {
  EXPECT_EQ(flag_against_mask(0, true), Agreement::agrees);
  EXPECT_EQ(flag_against_mask(1, false), Agreement::agrees);
  EXPECT_EQ(flag_against_mask(1, true), Agreement::unmarked);
  EXPECT_EQ(flag_against_mask(0, false), Agreement::contradicts);
}

}  // namespace
}  // namespace cp
