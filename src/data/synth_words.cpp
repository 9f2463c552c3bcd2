#include "data/synth_words.h"

#include <algorithm>

namespace cp::synth {

namespace {

struct Words {
  std::string where;                               // " in the upper left corner of the scene", or empty
  std::string houses, verb_is, verb_have, verb_s;  // "two houses", "are", "have", ""
  std::string new_houses, the_houses;
  std::string ground, on_ground;               // "bareland", "on the bareland"
  std::string beside;                          // "along the road"
  std::string zh_where, zh_houses, zh_ground;  // 画面左上角, 两栋房屋, 裸地
};

std::string choose(Rng& rng, const std::vector<std::string>& options) {
  return options[static_cast<std::size_t>(pick(rng, 0, static_cast<int>(options.size()) - 1))];
}

std::string english_place(Rng& rng, const Place& place) {
  if (!place.stated) return "";
  const auto [dx, dy] = place.direction;
  const std::string side = dx < 0 ? "left" : "right";
  if (dx != 0 && dy != 0) {
    return choose(rng, {std::string(" in the ") + (dy < 0 ? "upper " : "lower ") + side + " corner of the scene",
                        std::string(" at the ") + (dy < 0 ? "top " : "bottom ") + side + " corner of the scene"});
  }
  if (dx != 0) return choose(rng, {" on the " + side + " side of the scene", " on the " + side + " of the scene"});
  if (dy != 0) {
    return choose(rng, {std::string(" at the ") + (dy < 0 ? "top" : "bottom") + " of the scene",
                        std::string(" in the ") + (dy < 0 ? "upper" : "lower") + " part of the scene"});
  }
  return choose(rng, {" in the middle of the scene", " in the center of the scene"});
}

std::string chinese_place(const Place& place) {
  if (!place.stated) return "画面中";
  static const char* const kNames[3][3] = {{"画面左上角", "画面上方", "画面右上角"},
                                           {"画面左侧", "画面中央", "画面右侧"},
                                           {"画面左下角", "画面下方", "画面右下角"}};
  return kNames[place.direction.dy + 1][place.direction.dx + 1];
}

Words make_words(Rng& rng, const Scene& scene, const Place& place) {
  static const char* const kNumbers[] = {"", "a", "two", "three", "four"};
  static const char* const kZhNumbers[] = {"", "一栋", "两栋", "三栋", "四栋"};
  const int n = scene.houses_changed;
  const bool one = n == 1;
  Words w;
  w.where = english_place(rng, place);
  const std::string number = n <= 4 ? kNumbers[n] : n <= 6 ? choose(rng, {"some", "several"}) : "many";
  w.houses = number + (one ? " house" : " houses");
  w.new_houses = number + (one ? " new house" : " new houses");
  w.the_houses = one ? "the house" : "the houses";
  w.verb_is = one ? "is" : "are";
  w.verb_have = one ? "has" : "have";
  w.verb_s = one ? "s" : "";
  const bool woods = scene.trees_removed >= 6 && scene.biome == Biome::woods;
  w.ground = woods ? "woods" : scene.change_ground == Ground::soil ? "bareland" : "grass";
  w.on_ground = (woods ? "in the " : "on the ") + w.ground;
  w.beside = choose(rng, {"along the road", "near the road", "beside the road"});
  w.zh_where = chinese_place(place);
  w.zh_houses = n <= 4 ? std::string(kZhNumbers[n]) + "房屋" : n <= 6 ? "几栋房屋" : "许多房屋";
  w.zh_ground = woods ? "树林" : scene.change_ground == Ground::soil ? "裸地" : "草地";
  return w;
}

Sentences houses_built(const Words& w, const Scene& scene) {
  const bool trees = scene.trees_removed >= 4;
  return {{w.houses + " " + w.verb_is + " built " + w.on_ground + w.where,
           w.houses + " appear" + w.verb_s + " " + w.beside + w.where,
           trees ? "some trees are removed and " + w.houses + " " + w.verb_is + " built" + w.where
                 : "the " + w.ground + w.where + " is replaced by " + w.houses,
           w.houses + " " + w.verb_have + " been constructed " + w.beside + w.where,
           w.new_houses + " show" + w.verb_s + " up" + w.where},
          {w.zh_where + "的" + w.zh_ground + (w.ground == "woods" ? "中" : "上") + "新建了" + w.zh_houses,
           w.zh_where + "的道路旁出现了" + w.zh_houses,
           trees ? w.zh_where + "的部分树木被清除，新建了" + w.zh_houses
                 : w.zh_where + "的" + w.zh_ground + "被" + w.zh_houses + "取代",
           w.zh_where + "沿路修建了" + w.zh_houses, w.zh_where + "多了" + w.zh_houses}};
}

Sentences houses_removed(const Words& w, const Scene& scene) {
  const bool trees = scene.trees_planted > 0;
  return {
      {w.houses + " " + w.verb_is + " removed" + w.where, w.houses + " " + w.beside + " disappear" + w.verb_s + w.where,
       w.houses + " " + w.verb_have + " been demolished and the bareland appears" + w.where,
       w.the_houses + w.where + " " + w.verb_is + " removed",
       trees ? w.houses + " " + w.verb_is + " replaced by some trees" + w.where
             : w.houses + " " + w.verb_have + " disappeared" + w.where},
      {w.zh_where + "的" + w.zh_houses + "被拆除", w.zh_where + "道路旁的" + w.zh_houses + "消失了",
       w.zh_where + "的" + w.zh_houses + "被拆除，地面变为裸地", w.zh_where + "少了" + w.zh_houses,
       trees ? w.zh_where + "的" + w.zh_houses + "被拆除，并种上了树木"
             : w.zh_where + "原有的" + w.zh_houses + "已经不在了"}};
}

Sentences road_built(const Words& w, const Scene& scene) {
  const bool trees = scene.trees_removed >= 4, houses = scene.houses_changed > 0;
  const std::string too = houses ? " and " + w.houses + " " + w.verb_is + " built along the road" : "";
  const std::string zh_too = houses ? "，路旁新建了" + w.zh_houses : "";
  return {
      {"a road is built " + w.on_ground + w.where + too, "a road appears" + w.where + too,
       "a new road has been constructed" + w.where + " and connected to the original road",
       houses ? "a road with " + w.houses + " around is built" + w.where : "a road shows up" + w.where,
       trees ? "some trees are removed and a road is built" + w.where
             : "a road is built across the " + w.ground + w.where},
      {w.zh_where + "的" + w.zh_ground + (w.ground == "woods" ? "中" : "上") + "修建了一条道路" + zh_too,
       w.zh_where + "出现了一条道路" + zh_too, w.zh_where + "新建了一条与原有道路相连的道路",
       houses ? w.zh_where + "修建了一条道路和" + w.zh_houses : w.zh_where + "新增了一条道路",
       trees ? w.zh_where + "的部分树木被清除，修建了一条道路" : w.zh_where + "的" + w.zh_ground + "上铺设了一条新路"}};
}

}  // namespace

const char* change_name(Change change) {
  switch (change) {
    case Change::houses_built:
      return "houses built";
    case Change::houses_removed:
      return "houses removed";
    case Change::road_built:
      return "road built";
    case Change::none:
      break;
  }
  return "none";
}

Place find_place(const Image& label) {
  int x0 = label.width, y0 = label.height, x1 = 0, y1 = 0;
  for (int y = 0; y < label.height; ++y) {
    for (int x = 0; x < label.width; ++x) {
      if (*label.at(x, y) == 0) continue;
      x0 = std::min(x0, x);
      y0 = std::min(y0, y);
      x1 = std::max(x1, x + 1);
      y1 = std::max(y1, y + 1);
    }
  }
  if (x1 <= x0) return {};
  const auto side = [](int low, int high, int extent) {
    if ((high - low) * 10 > extent * 6) return 0;
    const int middle = (low + high) * 10;  // of 20 extent
    return middle < extent * 8 ? -1 : middle > extent * 12 ? 1 : 0;
  };
  Place place;
  place.direction = {side(x0, x1, label.width), side(y0, y1, label.height)};
  const bool centred = place.direction == Direction{};
  place.stated = !centred || ((x1 - x0) * 10 <= label.width * 4 && (y1 - y0) * 10 <= label.height * 4);
  return place;
}

Sentences describe(Rng& rng, const Scene& scene, const Image& label) {
  const Words words = make_words(rng, scene, find_place(label));
  switch (scene.change) {
    case Change::houses_built:
      return houses_built(words, scene);
    case Change::houses_removed:
      return houses_removed(words, scene);
    case Change::road_built:
      return road_built(words, scene);
    case Change::none:
      break;
  }
  return {{"there is no difference", "the two scenes seem identical", "the scene is the same as before",
           "no change has occurred", "almost nothing has changed"},
          {"两幅画面没有差别", "两个场景看起来相同", "场景和之前一样", "没有发生变化", "几乎没有任何变化"}};
}

}  // namespace cp::synth
