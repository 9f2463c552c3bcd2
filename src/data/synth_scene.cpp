#include "data/synth_scene.h"

#include <algorithm>

#include "core/error.h"

namespace cp::synth {

namespace {

struct Lot {
  Vec at, axis;  // axis: along the road
  Vec outward;   // from the road to the lot
  Vec road_point;
  std::size_t road = 0;
};

Vec on_curve(Vec a, Vec control, Vec b, int step, int steps) {  // quadratic Bezier
  const std::int64_t t = step, s = steps - step, n = std::int64_t{steps} * steps;
  return {static_cast<int>((s * s * a.x + 2 * s * t * control.x + t * t * b.x) / n),
          static_cast<int>((s * s * a.y + 2 * s * t * control.y + t * t * b.y) / n)};
}

std::vector<Vec> curve(Vec a, Vec control, Vec b) {
  std::vector<Vec> points;
  for (int i = 0; i <= 16; ++i) points.push_back(on_curve(a, control, b, i, 16));
  return points;
}

int distance_to_segment(Vec p, Vec a, Vec b) {
  const Vec axis = unit(b - a);
  const int t = std::clamp(along(p - a, axis), 0, length(b - a));
  return length(p - a - scaled(axis, t));
}

int distance_to_road(Vec p, const Road& road) {
  int best = 1 << 28;
  for (std::size_t i = 0; i + 1 < road.points.size(); ++i) {
    best = std::min(best, distance_to_segment(p, road.points[i], road.points[i + 1]));
  }
  return best;
}

class Planner {
 public:
  Planner(Rng& rng, int size, Change change) : rng_(rng) {
    scene_.size = size;
    scene_.change = change;
    scene_.noise_seed = rng.bits();
  }

  // False when the draw left no room for the change.
  bool plan() {
    const int kind = pick(rng_, 0, 99);
    scene_.biome = kind < 45 ? Biome::grass : kind < 75 ? Biome::bareland : Biome::woods;
    plan_roads();
    plan_lots();
    if (!plan_change()) return false;
    plan_background_houses();
    plan_trees();
    plan_cars();
    return true;
  }
  Scene take() { return std::move(scene_); }

 private:
  int share(int percent) const { return scene_.size * percent / 100; }
  bool inside(Vec p, int margin) const {
    return p.x >= margin && p.y >= margin && p.x < scene_.size - margin && p.y < scene_.size - margin;
  }

  void plan_roads() {
    const bool upright = chance(rng_, 50);
    const int from = share(pick(rng_, 22, 78)),
              to = std::clamp(from + share(pick(rng_, -22, 22)), share(10), share(90));
    const int bend = (from + to) / 2 + share(pick(rng_, -14, 14)), beyond = 60;
    const auto place = [&](int lengthwise, int across) {
      return upright ? Vec{across, lengthwise} : Vec{lengthwise, across};
    };
    Road main;
    main.points = curve(place(-beyond, from), place(scene_.size / 2, bend), place(scene_.size + beyond, to));
    main.half_width = pick(rng_, 12, 17);
    main.surface = static_cast<Surface>(pick(rng_, 0, 9) < 6 ? 0 : pick(rng_, 1, 2));
    main.line = main.surface == Surface::asphalt && main.half_width > 13 && chance(rng_, 70);
    scene_.roads.push_back(main);
    const bool built = scene_.change == Change::road_built;
    if (!built && !chance(rng_, 55)) return;
    // A branch to the farther side, so that it is long enough to be seen.
    const std::size_t joint = static_cast<std::size_t>(pick(rng_, 5, 11));
    const Vec start = main.points[joint];
    const int across = upright ? start.x : start.y;
    const int end_across = across < scene_.size / 2 ? scene_.size + beyond : -beyond;
    const int lengthwise = upright ? start.y : start.x;
    const int end_length = lengthwise + share(pick(rng_, -18, 18));
    Road branch;
    branch.points = curve(start, place((lengthwise * 3 + end_length) / 4, (across + end_across) / 2),
                          place(end_length, end_across));
    branch.half_width = pick(rng_, 9, 13);
    branch.surface = built && chance(rng_, 25) ? Surface::concrete : main.surface;
    branch.when.before = !built;
    scene_.roads.push_back(branch);
  }

  void plan_lots() {
    for (std::size_t r = 0; r < scene_.roads.size(); ++r) {
      const Road& road = scene_.roads[r];
      for (const int side : {-1, 1}) {
        const int setback = pick(rng_, 44, 60);
        int next = pick(rng_, 20, 70), walked = 0;
        for (std::size_t i = 0; i + 1 < road.points.size(); ++i) {
          const Vec a = road.points[i], b = road.points[i + 1], axis = unit(b - a);
          const int step = length(b - a);
          while (next < walked + step) {
            const Vec on_road = a + scaled(axis, next - walked);
            const Vec outward = side < 0 ? perpendicular(axis) : Vec{axis.y, -axis.x};
            const Vec at = on_road + scaled(outward, road.half_width + setback + pick(rng_, -4, 6));
            next += pick(rng_, 74, 96);
            if (is_free(at, r)) lots_.push_back({at, axis, outward, on_road, r});
          }
          walked += step;
        }
      }
    }
  }

  bool is_free(Vec at, std::size_t own_road) const {
    if (!inside(at, 4)) return false;
    for (std::size_t r = 0; r < scene_.roads.size(); ++r) {
      if (r != own_road && distance_to_road(at, scene_.roads[r]) < scene_.roads[r].half_width + 42) return false;
      if (r == own_road && distance_to_road(at, scene_.roads[r]) < scene_.roads[r].half_width + 34) return false;
    }
    return std::all_of(lots_.begin(), lots_.end(), [&](const Lot& lot) { return length(lot.at - at) >= 72; });
  }

  House make_house(const Lot& lot, When when) {
    House house;
    house.when = when;
    house.colour = chance(rng_, 75) ? district_colour_ : pick(rng_, 0, 7);
    house.height = pick(rng_, 11, 17);
    Vec axis = lot.axis;
    if (chance(rng_, 25)) axis = unit(axis + scaled(perpendicular(axis), pick(rng_, -900, 900)));
    Block body{lot.at, axis, pick(rng_, 25, 33), pick(rng_, 17, 22), chance(rng_, 60) ? Roof::hip : Roof::gable};
    house.blocks.push_back(body);
    const int side = chance(rng_, 50) ? 1 : -1;
    if (chance(rng_, 60)) {  // a wing towards the road or away from it
      const Vec wing_axis = perpendicular(axis);
      const int reach = pick(rng_, 8, 13);
      Block wing{lot.at + scaled(axis, side * (body.half_length - 13)) - scaled(lot.outward, reach), wing_axis,
                 body.half_width + 3, pick(rng_, 11, 13), body.roof};
      house.blocks.push_back(wing);
    }
    house.front = lot.at + scaled(axis, side * (body.half_length - 12));
    house.drive = lot.road_point + scaled(axis, side * (body.half_length - 12));
    house.pool = scene_.biome != Biome::woods && chance(rng_, 12);
    house.pool_at = lot.at + scaled(lot.outward, body.half_width + 16) - scaled(axis, side * 8);
    return house;
  }

  void add_house(const Lot& lot, When when) {
    scene_.houses.push_back(make_house(lot, when));
    scene_.patches.push_back({lot.at - scaled(lot.outward, 6), lot.axis, 40, 46, Ground::lawn, when});
    occupied_.push_back(lot.at);
  }

  bool plan_change() {
    district_colour_ = pick(rng_, 0, 7);
    const Change change = scene_.change;
    if (change == Change::none) return true;
    const std::size_t new_road = 1;
    std::vector<std::size_t> free;
    for (std::size_t i = 0; i < lots_.size(); ++i) {
      const bool wanted = change == Change::road_built ? lots_[i].road == new_road : true;
      if (wanted && inside(lots_[i].at, 24)) free.push_back(i);
    }
    const int kind = pick(rng_, 0, 99);
    int number = kind < 30 ? 1 : kind < 48 ? 2 : kind < 60 ? 3 : pick(rng_, 4, 9);
    if (change == Change::road_built && chance(rng_, 30)) number = 0;
    if (free.empty() && change != Change::road_built) return false;
    if (change == Change::road_built && number > 0) number = std::max(number, 3);
    const bool on_soil = scene_.biome == Biome::bareland || (scene_.biome == Biome::grass && chance(rng_, 50));
    scene_.change_ground = on_soil ? Ground::soil : Ground::lawn;

    // The lots nearest to one of them: a change has a place.
    if (!free.empty()) {
      const Vec anchor = lots_[free[static_cast<std::size_t>(pick(rng_, 0, static_cast<int>(free.size()) - 1))]].at;
      std::stable_sort(free.begin(), free.end(), [&](std::size_t a, std::size_t b) {
        return length(lots_[a].at - anchor) < length(lots_[b].at - anchor);
      });
    }
    const bool built = change != Change::houses_removed;
    for (int i = 0; i < number && i < static_cast<int>(free.size()); ++i) {
      const Lot& lot = lots_[free[static_cast<std::size_t>(i)]];
      if (built && on_soil) scene_.patches.push_back({lot.at, lot.axis, 62, 60, Ground::soil, {true, false}});
      if (!built) scene_.patches.push_back({lot.at, lot.axis, 44, 42, Ground::soil, {false, true}});
      add_house(lot, {!built, built});
      changed_.push_back(lot.at);
      ++scene_.houses_changed;
    }
    for (int i = std::min(number, static_cast<int>(free.size())); i > 0; --i) {
      taken_.push_back(free[static_cast<std::size_t>(i - 1)]);
    }
    if (change == Change::road_built) {
      const std::vector<Vec>& points = scene_.roads[new_road].points;
      for (std::size_t i = 2; i < points.size(); i += 2) {
        if (inside(points[i], 0)) changed_.push_back(points[i]);
      }
    }
    return true;
  }

  void plan_background_houses() {
    const int density = scene_.biome == Biome::woods ? pick(rng_, 0, 45) : pick(rng_, 15, 90);
    for (std::size_t i = 0; i < lots_.size(); ++i) {
      if (std::find(taken_.begin(), taken_.end(), i) != taken_.end()) continue;
      if (scene_.change == Change::road_built && lots_[i].road == 1)
        continue;  // nobody lives on a road that is not there
      if (chance(rng_, density)) add_house(lots_[i], {});
    }
  }

  bool near_road(Vec p, int margin, bool only_lasting) const {
    return std::any_of(scene_.roads.begin(), scene_.roads.end(), [&](const Road& road) {
      return !(only_lasting && road.when.changes()) && distance_to_road(p, road) < road.half_width + margin;
    });
  }

  void plan_trees() {
    const std::vector<std::uint8_t> cover = value_noise(scene_.size, 128, 3, scene_.noise_seed + 17);
    const int area = scene_.size * scene_.size / 1024;  // 256 for the usual canvas of 512
    const int attempts = area * (scene_.biome == Biome::woods ? 56 : scene_.biome == Biome::grass ? 24 : 9) / 8;
    const int threshold = scene_.biome == Biome::woods ? 100 : scene_.biome == Biome::grass ? 158 : 172;
    const bool removed_too = scene_.change != Change::none && (scene_.biome == Biome::woods || chance(rng_, 25));
    const bool planted = scene_.change == Change::houses_removed && chance(rng_, 50);
    for (int i = 0; i < attempts; ++i) {
      Tree tree{
          {pick(rng_, 0, scene_.size - 1), pick(rng_, 0, scene_.size - 1)}, pick(rng_, 4, 9), pick(rng_, 0, 255), {}};
      if (chance(rng_, 45)) tree.radius += pick(rng_, 2, 7);
      const int density = cover[static_cast<std::size_t>(tree.at.y * scene_.size + tree.at.x)];
      if (density < threshold && !chance(rng_, 5)) continue;
      add_tree(tree, removed_too);
    }
    for (const Vec at : occupied_) {  // garden trees
      for (int i = pick(rng_, 0, 3); i > 0; --i) {
        const Vec place = at + random_offset(rng_, 38, 50);
        const bool fresh = std::any_of(changed_.begin(), changed_.end(), [&](Vec c) { return length(c - at) < 8; });
        Tree tree{place, pick(rng_, 6, 11), pick(rng_, 0, 255), {}};
        if (fresh) tree.when.before = scene_.change == Change::houses_removed;
        if (fresh) tree.when.after = !tree.when.before;
        if (is_clear_of_houses(place, tree.radius, false) && !near_road(place, tree.radius + 2, false))
          scene_.trees.push_back(tree);
      }
    }
    if (planted) {
      for (const Vec at : changed_) {
        for (int i = 0; i < 5; ++i) {
          scene_.trees.push_back(
              {at + random_offset(rng_, 0, 34), pick(rng_, 7, 12), pick(rng_, 0, 255), {false, true}});
          ++scene_.trees_planted;
        }
      }
    }
  }

  void add_tree(Tree tree, bool removed_too) {
    const bool cleared = std::any_of(changed_.begin(), changed_.end(), [&](Vec c) { return length(c - tree.at) < 52; });
    if (near_road(tree.at, tree.radius + 3, true)) return;
    if (cleared && removed_too && scene_.change != Change::houses_removed) {
      tree.when = {true, false};
      if (!is_clear_of_houses(tree.at, tree.radius, true)) return;
      ++scene_.trees_removed;
    } else {
      if (!is_clear_of_houses(tree.at, tree.radius, false) || near_road(tree.at, tree.radius + 3, false)) return;
      if (cleared && scene_.change_ground == Ground::soil) return;
    }
    scene_.trees.push_back(tree);
  }

  bool is_clear_of_houses(Vec p, int radius, bool only_lasting) const {
    for (const House& house : scene_.houses) {
      if (only_lasting && house.when.changes()) continue;
      for (const Block& block : house.blocks) {
        const Vec d = p - block.at;
        if (std::abs(along(d, block.axis)) < block.half_length + radius + 1 &&
            std::abs(along(d, perpendicular(block.axis))) < block.half_width + radius + 1) {
          return false;
        }
      }
      if (house.pool && length(p - house.pool_at) < 18) return false;
    }
    return true;
  }

  // Cars come and go; they are never a change.
  void plan_cars() {
    for (const Road& road : scene_.roads) {
      for (int i = pick(rng_, 0, 4); i > 0; --i) {
        const std::size_t at = static_cast<std::size_t>(pick(rng_, 1, static_cast<int>(road.points.size()) - 2));
        const Vec axis = unit(road.points[at + 1] - road.points[at]);
        const int lane = (chance(rng_, 50) ? 1 : -1) * road.half_width * 45 / 100;
        When when{chance(rng_, 50), true};
        when.after = !when.before;
        if (road.when.changes()) when = {false, true};
        scene_.cars.push_back({road.points[at] + scaled(perpendicular(axis), lane), axis, pick(rng_, 0, 5), when});
      }
    }
    for (const House& house : scene_.houses) {
      if (!chance(rng_, 40)) continue;
      When when{house.when.before && chance(rng_, 60), house.when.after && chance(rng_, 60)};
      const Vec axis = unit(house.drive - house.front);
      scene_.cars.push_back(
          {house.front + scaled(axis, length(house.drive - house.front) * 55 / 100), axis, pick(rng_, 0, 5), when});
    }
  }

  Rng& rng_;
  Scene scene_;
  std::vector<Lot> lots_;
  std::vector<std::size_t> taken_;  // lots of the change
  std::vector<Vec> occupied_, changed_;
  int district_colour_ = 0;  // houses of a neighbourhood look alike
};

}  // namespace

Scene make_scene(Rng& rng, int size, Change change) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    Planner planner(rng, size, change);
    if (planner.plan()) return planner.take();
  }
  CP_CHECK(false, "no scene of size " + std::to_string(size) + " has room for the change");
}

}  // namespace cp::synth
