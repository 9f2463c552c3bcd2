// Modes, ranked changes, weights of the places and regions against tests/oracle/answer_reference.py (NumPy, scipy).
#include <algorithm>
#include <cmath>
#include <set>

#include "core/json.h"
#include "core/rng.h"
#include "runtime/change_list.h"
#include "runtime/modes.h"
#include "runtime/region.h"
#include "support/test_support.h"

namespace cp {
namespace {

// Double on both sides, sums in another order; eighteen to thirty-three steps of a contraction.
constexpr double kTolerance = 1e-9;

const Json& golden() {
  static const Json json = read_json(test::golden("runtime/answer.json"), ErrorKind::data);
  return json;
}

std::vector<float> samples_of(const Json& one) {
  std::vector<float> samples;
  for (const Json& s : one.at("samples")) {
    samples.push_back(s[0].get<float>());
    samples.push_back(s[1].get<float>());
    samples.push_back(1);
  }
  return samples;
}

// Numbers that differ.
int wrong_modes(const std::vector<Mode>& got, const Json& want) {
  if (got.size() != want.size()) return 1000;
  int wrong = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    wrong += !(std::abs(got[i].point.x - want[i]["point"][0].get<double>()) <= kTolerance);
    wrong += !(std::abs(got[i].point.y - want[i]["point"][1].get<double>()) <= kTolerance);
    wrong += !(std::abs(got[i].density - want[i]["density"].get<double>()) <= kTolerance);
    wrong += !(std::abs(got[i].mass - want[i]["mass"].get<double>()) <= kTolerance);
    wrong += got[i].members != want[i]["members"].get<std::vector<std::size_t>>();
  }
  return wrong;
}

TEST(Modes, EqualTheReference) {
  int visited = 0;
  for (const Json& one : golden()) {
    EXPECT_EQ(wrong_modes(find_modes(samples_of(one)), one.at("modes")), 0) << one.at("name");
    ++visited;
  }
  EXPECT_EQ(visited, 7);
}

// The planted fault: the mean of all samples, which for two places lies between them.
TEST(ModesTwin, TheMeanOfAllSamplesIsNoMode) {
  const Json& one = golden().at(0);
  ASSERT_EQ(one.at("name"), "two places");
  Mode mean{{0, 0}, 0, 1, {}};
  const std::vector<float> samples = samples_of(one);
  for (std::size_t i = 0; i < samples.size(); i += 3) {
    mean.point.x += 3.0 * samples[i] / static_cast<double>(samples.size());
    mean.point.y += 3.0 * samples[i + 1] / static_cast<double>(samples.size());
  }
  for (const Json& mode : one.at("modes"))
    EXPECT_GT(std::hypot(mean.point.x - mode["point"][0].get<double>(), mean.point.y - mode["point"][1].get<double>()),
              0.3);
  EXPECT_GT(wrong_modes({mean, find_modes(samples)[1]}, one.at("modes")), 2);
}

TEST(Modes, OfOneSampleIsTheSample) {
  const std::vector<Mode> modes = find_modes(std::vector<float>{0.5f, -0.25f, 1});
  ASSERT_EQ(modes.size(), 1u);
  EXPECT_EQ(modes[0].point, (Point{0.5, -0.25}));
  EXPECT_EQ(modes[0].mass, 1);
  EXPECT_EQ(modes[0].density, 1);
}

TEST(Modes, OfEqualWeightComeInTheOrderOfTheirSamples) {
  for (const float first : {-0.5f, 0.5f}) {
    const std::vector<float> samples{first, first, 1, -first, -first, 1, first, first, 1, -first, -first, 1};
    const std::vector<Mode> modes = find_modes(samples);
    ASSERT_EQ(modes.size(), 2u);
    EXPECT_EQ(modes[0].point, (Point{first, first}));
    EXPECT_EQ(modes[0].members, (std::vector<std::size_t>{0, 2}));
  }
}

TEST(Modes, ShareOutAllSamplesAndStayFiniteForAny) {
  int visited = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed, ++visited) {
    Rng rng(seed, Stream::test);
    const float scale = seed % 3 == 0 ? 1e30f : 1.f;
    std::vector<float> samples;
    for (std::uint64_t i = 0; i < 3 * (1 + seed); ++i) samples.push_back(scale * static_cast<float>(rng.normal()));
    double mass = 0;
    std::set<std::size_t> members;
    for (const Mode& mode : find_modes(samples)) {
      EXPECT_TRUE(std::isfinite(mode.point.x) && std::isfinite(mode.point.y) && mode.density > 0);
      mass += mode.mass;
      members.insert(mode.members.begin(), mode.members.end());
    }
    EXPECT_NEAR(mass, 1, 1e-12);
    EXPECT_EQ(members.size(), samples.size() / 3);
  }
  EXPECT_EQ(visited, 60);
}

int wrong_changes(const std::vector<Change>& got, const Json& want) {
  if (got.size() != want.size()) return 1000;
  int wrong = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Json& w = want[i];
    const double numbers[] = {got[i].x,      got[i].y,      got[i].mass,
                              got[i].area,   got[i].box.x0, got[i].box.y0,
                              got[i].box.x1, got[i].box.y1, static_cast<double>(got[i].cells)};
    const double wanted[] = {w["x"],      w["y"],      w["mass"],   w["area"], w["box"][0],
                             w["box"][1], w["box"][2], w["box"][3], w["cells"]};
    for (std::size_t k = 0; k < std::size(numbers); ++k) wrong += !(std::abs(numbers[k] - wanted[k]) <= kTolerance);
  }
  return wrong;
}

TEST(RankedChanges, EqualTheReference) {
  int visited = 0;
  for (const Json& one : golden()) {
    const std::vector<float> samples = samples_of(one), map = one.at("map");
    const std::vector<Mode> modes = find_modes(samples);
    const std::vector<Change> changes = rank_changes(modes, samples, map);
    EXPECT_EQ(wrong_changes(changes, one.at("changes")), 0) << one.at("name");
    double mass = 0;
    for (const Change& change : changes) mass += change.mass;
    EXPECT_NEAR(mass, 1, 1e-12) << "every sample points at one change";
    EXPECT_GT(wrong_changes(find_changes(map), one.at("changes")), 0) << "the planted fault: the map alone";
    ++visited;
  }
  EXPECT_EQ(visited, 7);
}

// A map of two components, left and right, and modes at places of it.
TEST(RankedChanges, JoinModesWithTheComponentThatHoldsThemOrIsWithinTwoCells) {
  std::vector<float> map(16 * 16, -20.f);
  for (const int row : {7, 8})
    for (const int column : {2, 3, 12, 13, 14}) map[static_cast<std::size_t>(row * 16 + column)] = 20.f;
  const auto at = [](int column, int row) { return Point{2 * (column + 0.5) / 16 - 1, 2 * (row + 0.5) / 16 - 1}; };
  const std::vector<float> samples(30, 0.f);
  const auto changes = [&](std::vector<std::pair<Point, double>> places) {
    std::vector<Mode> modes;
    for (const auto& [point, mass] : places) modes.push_back({point, 0, mass, {}});
    return rank_changes(modes, samples, map);
  };
  // Two modes in the left component: masses add, the heavier one's point; the right one has none.
  std::vector<Change> found = changes({{at(2, 7), 0.4}, {at(3, 8), 0.6}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_DOUBLE_EQ(found[0].mass, 1);
  EXPECT_EQ((Point{found[0].x, found[0].y}), (Point{3.5 / 16, 8.5 / 16}));
  EXPECT_EQ(found[0].cells, 4);
  EXPECT_EQ(found[1].mass, 0);
  EXPECT_EQ(found[1].cells, 6);
  // Two cells away still belongs, three do not; two along both axes are farther than two.
  for (const auto& [column, row, joined] : {std::tuple(5, 7, true), {6, 7, false}, {5, 10, false}, {4, 9, true}}) {
    found = changes({{at(column, row), 1}});
    EXPECT_EQ(found.size(), joined ? 2u : 3u) << column << " " << row;
    EXPECT_EQ(found[0].mass, 1);
    EXPECT_EQ(found[0].cells, joined ? 4 : 0);
  }
}

TEST(RankedChanges, AModeWithoutAComponentHasTheBoxOfItsSamplesInsideTheImage) {
  const std::vector<float> map(16 * 16, -20.f), samples{1, 1, 1, 0.5f, 0.75f, 1};
  std::vector<Mode> modes{{{0.9, 0.9}, 0.5, 1, {0, 1}}};
  std::vector<Change> changes = rank_changes(modes, samples, map);
  // A flat map is one component: everything. The same mode on a map of one far cell has its own box.
  EXPECT_EQ(changes.size(), 1u);
  std::vector<float> far = map;
  far[0] = 20;
  changes = rank_changes(modes, samples, far);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].box, (Box{0.75 - 0.5 / 16, 0.875 - 0.5 / 16, 1, 1}));
}

TEST(PlaceWeights, RegionsAndScoresEqualTheReference) {
  int visited = 0, regions = 0;
  for (const Json& one : golden())
    for (const Json& place : one.at("places")) {
      const std::vector<float> samples = samples_of(one), map = one.at("map");
      const std::vector<double> weights = place_weights(samples, map, place.at("map_share"));
      const std::vector<double> want = place.at("weights");
      ASSERT_EQ(weights.size(), want.size());
      double most = 0, sum = 0;
      for (std::size_t i = 0; i < want.size(); ++i) {
        most = std::max(most, std::abs(weights[i] - want[i]));
        sum += weights[i];
      }
      EXPECT_LE(most, kTolerance) << one.at("name");
      EXPECT_NEAR(sum, 1, 1e-12);
      std::vector<double> thresholds;
      std::vector<int> cells;
      for (const Json& region : place.at("regions")) {
        const double threshold = region.at("threshold");
        EXPECT_EQ(find_region(weights, threshold, 0.9).cells, region.at("cells").get<std::vector<int>>());
        thresholds.push_back(threshold);
        cells.push_back(static_cast<int>(region.at("cells").size()));
        ++regions;
      }
      EXPECT_EQ(region_cells(weights, thresholds), cells);
      for (const Json& target : place.at("targets")) {
        const Point at{target.at("x"), target.at("y")};
        EXPECT_EQ(cells_before(weights, at), target.at("before").get<int>());
        EXPECT_NEAR(region_score(weights, at), target.at("score").get<double>(), kTolerance);
      }
      // The planted fault: another share of the map.
      const std::vector<double> other = place_weights(samples, map, 0.5);
      double away = 0;
      for (std::size_t i = 0; i < want.size(); ++i) away = std::max(away, std::abs(other[i] - want[i]));
      EXPECT_GT(away, 1e-4) << one.at("name");
      ++visited;
    }
  EXPECT_EQ(visited, 21);
  EXPECT_EQ(regions, 84);
}

}  // namespace
}  // namespace cp
