#include "report/answer_json.h"

#include <cmath>

namespace cp {

double rounded(double value) { return std::round(value * 1e4) / 1e4; }

OrderedJson region_json(const Answer& answer) {
  const Region& region = answer.region;
  OrderedJson polygons = OrderedJson::array(), levels = OrderedJson::array();
  for (const Answer::RegionLevel& one : answer.levels)
    levels.push_back({{"level", one.level}, {"area", rounded(one.share)}});
  for (const std::vector<Point>& polygon : region.polygons) {
    OrderedJson points = OrderedJson::array();
    for (const Point& point : polygon) points.push_back({rounded(point.x), rounded(point.y)});
    polygons.push_back(points);
  }
  return {{"level", region.level},
          {"area", rounded(region.share)},
          {"share", rounded(region.share)},
          {"polygons", polygons},
          {"levels", levels},
          {"calibrated", answer.region_calibrated}};
}

OrderedJson changes_json(const std::vector<Change>& changes) {
  OrderedJson list = OrderedJson::array();
  for (const Change& change : changes) {
    const OrderedJson box{rounded(change.box.x0), rounded(change.box.y0), rounded(change.box.x1),
                          rounded(change.box.y1)};
    list.push_back({{"x", rounded(change.x)},
                    {"y", rounded(change.y)},
                    {"mass", rounded(change.mass)},
                    {"area", rounded(change.area)},
                    {"cells", change.cells},
                    {"box", box}});
  }
  return list;
}

OrderedJson abstained_json(const Answer& answer) {
  return answer.abstained.empty() ? OrderedJson() : OrderedJson{{"reason", answer.abstained}};
}

OrderedJson captions_json(const std::vector<Answer::Caption>& captions) {
  OrderedJson list = OrderedJson::array();
  for (const Answer::Caption& caption : captions)
    list.push_back({{"text", caption.text}, {"score", rounded(caption.score)}});
  return list;
}

OrderedJson times_json(const std::map<std::string, double>& times_ms) {
  OrderedJson times = OrderedJson::object();
  for (const auto& [stage, ms] : times_ms) times[stage] = rounded(ms);
  return times;
}

std::string dump_json(const OrderedJson& json, int indent) {
  return json.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace cp
