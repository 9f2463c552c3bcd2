#include <cmath>

#include "random_nano.h"
#include "runtime/action_head.h"
#include "runtime/change_list.h"
#include "runtime/region.h"
#include "runtime/smooth.h"

namespace cp {
namespace {

constexpr float kOff = -20.f, kOn = 20.f;  // logits of cells that are surely unchanged, surely changed

std::vector<float> map_with(std::initializer_list<std::pair<int, int>> on, int side = 8) {
  std::vector<float> map(static_cast<std::size_t>(side * side), kOff);
  for (const auto& [x, y] : on) map[static_cast<std::size_t>(y * side + x)] = kOn;
  return map;
}

TEST(StartNoise, IsAPrefixOfALongerDraw) {
  const std::vector<float> few = start_noise(5, 4), many = start_noise(5, 64);
  EXPECT_EQ(few, std::vector<float>(many.begin(), many.begin() + 12));
  EXPECT_NE(start_noise(6, 4), few);
}

TEST(SnapToMap, TakesTheNearestSureCell) {
  const std::vector<float> map = map_with({{1, 1}, {6, 6}});
  EXPECT_EQ(snap_to_map({-0.4, -0.4}, map, 0.3), (Point{2 * 1.5 / 8 - 1, 2 * 1.5 / 8 - 1}));
  EXPECT_EQ(snap_to_map({0.3, 0.4}, map, 0.3), (Point{2 * 6.5 / 8 - 1, 2 * 6.5 / 8 - 1}));
}

TEST(SnapToMap, StaysWhereItIsWhenTheMapIsTooFarOrSwitchedOff) {
  const std::vector<float> map = map_with({{7, 7}});
  EXPECT_EQ(snap_to_map({-0.9, -0.9}, map, 0.1),
            (Point{-0.875, -0.875}));  // its own cell: log(1e-6) is nearer than 7 cells
  EXPECT_EQ(snap_to_map({-0.9, -0.9}, map, 0), (Point{-0.9, -0.9}));
}

TEST(GaussianSmooth, KeepsTheSumAtTheBorderToo) {
  std::vector<double> map(64, 0.0);
  map[0] = 1;
  double sum = 0;
  for (const double v : gaussian_smooth(map, 8, 8, 2.0))
    sum += v;  // a kernel wider than the map: reflected more than once
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Changes, CellsThatTouchInACornerAreTwo) {
  EXPECT_EQ(find_changes(map_with({{2, 2}, {3, 3}})).size(), 2u);
  EXPECT_EQ(find_changes(map_with({{2, 2}, {2, 3}})).size(), 1u);
}

TEST(Changes, OfTheMapAreRankedByAreaWithBoxAndPoint) {
  const std::vector<Change> changes = find_changes(map_with({{0, 0}, {4, 4}, {5, 4}, {6, 4}, {5, 5}}));
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_NEAR(changes[0].area, 4.0 / 64, 1e-6);
  EXPECT_EQ(changes[0].mass, 0) << "no sample was asked";
  EXPECT_EQ(changes[0].box, (Box{4.0 / 8, 4.0 / 8, 7.0 / 8, 6.0 / 8}));
  EXPECT_EQ((Point{changes[0].x, changes[0].y}), (Point{5.5 / 8, 4.5 / 8}));
  EXPECT_EQ(changes[1].cells, 1);
}

TEST(Changes, AFaintMapStillHasItsPeak) {
  std::vector<float> map(64, -6.f);
  map[9] = -3.f;  // q = 0.047: below 0.5, above half the largest
  const std::vector<Change> changes = find_changes(map);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].cells, 1);
}

TEST(RegionOfMap, GrowsWithItsThresholdAndHasAtLeastOneCell) {
  const std::vector<double> map = place_weights({}, map_with({{3, 3}}), 1);
  EXPECT_EQ(find_region(map, 0.0, 0.9).cells, std::vector<int>{27});
  std::size_t before = 0;
  for (const double threshold : {0.1, 0.5, 0.9, 1.0}) {
    const Region r = find_region(map, threshold, 0.9);
    EXPECT_GT(r.cells.size(), before);
    EXPECT_DOUBLE_EQ(r.share, static_cast<double>(r.cells.size()) / 64);
    before = r.cells.size();
  }
  EXPECT_GE(before, 60u);
}

TEST(RegionOfMap, HoldsATargetExactlyWhenItsScoreIsWithinTheThreshold) {
  const std::vector<double> map = place_weights({}, map_with({{3, 3}, {6, 1}}), 1);
  int inside = 0, visited = 0;
  for (int cell = 0; cell < 64; ++cell, ++visited) {
    const Point target{(cell % 8 + 0.5) / 8, (cell / 8 + 0.5) / 8};
    const double score = region_score(map, target);
    EXPECT_EQ(find_region(map, score, 0.9).cells.size(), static_cast<std::size_t>(cells_before(map, target)) + 1);
    for (const double threshold : {0.3, 0.8}) {
      const std::vector<int> cells = find_region(map, threshold, 0.9).cells;
      const bool held = std::find(cells.begin(), cells.end(), cell) != cells.end();
      // The last cell of the region is the one that passes the threshold.
      EXPECT_EQ(held, score <= threshold || cells.back() == cell) << cell;
      inside += held;
    }
  }
  EXPECT_EQ(visited, 64);
  EXPECT_GT(inside, 0);
  EXPECT_NEAR(region_score(map, {1.0, 1.0}), region_score(map, {0.99, 0.99}), 0)
      << "the border belongs to the last cell";
}

double area(const std::vector<Point>& polygon) {  // signed, y down: clockwise on the screen is positive
  double sum = 0;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Point &a = polygon[i], &b = polygon[(i + 1) % polygon.size()];
    sum += a.x * b.y - b.x * a.y;
  }
  return sum / 2;
}

TEST(Outlines, OfOneCellAndOfARow) {
  EXPECT_EQ(outlines({5}, 4), (std::vector<std::vector<Point>>{{{0.5, 0.25}, {0.5, 0.5}, {0.25, 0.5}, {0.25, 0.25}}}));
  const auto row = outlines({4, 5, 6}, 4);
  ASSERT_EQ(row.size(), 1u);
  EXPECT_EQ(row[0].size(), 4u) << "no corners along straight lines";
}

TEST(Outlines, HolesRunTheOtherWay) {
  const auto ring = outlines({0, 1, 2, 4, 6, 8, 9, 10}, 4);  // 3 x 3 without its middle
  ASSERT_EQ(ring.size(), 2u);
  EXPECT_DOUBLE_EQ(area(ring[0]), 9.0 / 16);
  EXPECT_DOUBLE_EQ(area(ring[1]), -1.0 / 16);
}

TEST(Outlines, EncloseTheAreaOfTheirCellsForRandomSets) {
  int visited = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed, ++visited) {
    Rng rng(seed, Stream::test);
    std::vector<int> cells;
    for (int cell = 0; cell < 100; ++cell)
      if (rng.chance(0.5)) cells.push_back(cell);
    double total = 0;
    for (const auto& polygon : outlines(cells, 10)) {
      EXPECT_GE(polygon.size(), 4u);
      total += area(polygon);
    }
    EXPECT_NEAR(total, static_cast<double>(cells.size()) / 100, 1e-12);
  }
  EXPECT_EQ(visited, 50);
}

}  // namespace
}  // namespace cp
