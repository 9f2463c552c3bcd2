#include "metrics/evaluation_table.h"

#include <fmt/format.h>

namespace cp {
namespace {

// Pointer to report[place][key], or nullptr.
const OrderedJson* find(const OrderedJson& report, const std::string& place) {
  const OrderedJson* at = &report;
  for (std::size_t start = 0; start <= place.size();) {
    const std::size_t end = std::min(place.find('.', start), place.size());
    const auto found = at->find(place.substr(start, end - start));
    if (found == at->end()) return nullptr;
    at = &*found;
    start = end + 1;
  }
  return at;
}

class Table {
 public:
  explicit Table(const OrderedJson& report) : report_(report) {}

  void row(const std::string& name, const std::string& model, const std::string& interval, const std::string& blind,
           const std::string& with_flag) {
    std::string line = fmt::format("{:<32}{:>8}  {:<16}{:>8}{:>8}", name, model, interval, blind, with_flag);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }

  // Where the scores stand: of the model, of its floor, of the floor that is told the model's flag.
  void score(const std::string& name, const std::string& model, const std::string& blind = "",
             const std::string& with_flag = "") {
    row(name, value(model), interval(model), blind.empty() ? "" : value(blind),
        with_flag.empty() ? "" : value(with_flag));
  }

  std::string value(const std::string& place) const {
    const OrderedJson* score = find(report_, place + ".value");
    return score ? number(score->get<double>()) : "-";
  }

  std::string text;

 private:
  // Three places, or as few as five characters leave: 0.417, 25.13, 103.4.
  static std::string number(double v) { return fmt::format("{:.{}f}", v, v < 10 ? 3 : v < 100 ? 2 : 1); }

  std::string interval(const std::string& place) const {
    const OrderedJson *low = find(report_, place + ".low"), *high = find(report_, place + ".high");
    return low && high ? fmt::format("[{}, {}]", number(low->get<double>()), number(high->get<double>())) : "";
  }

  const OrderedJson& report_;
};

int count(const OrderedJson& report, const std::string& place) {
  const OrderedJson* n = find(report, place);
  return n ? n->get<int>() : 0;
}

}  // namespace

std::string evaluation_table(const OrderedJson& report) {
  Table table(report);
  table.row(fmt::format("{} pairs", count(report, "pairs")), "model", "95 % interval", "blind", "+flag");
  for (const char* key : {"accuracy", "precision", "recall", "f1", "false_alarms_per_100", "brier", "ece"})
    table.score(fmt::format("flag {}", key), fmt::format("flag.{}", key), fmt::format("blind.flag.{}", key));
  for (const char* half : {"all", "changed", "unchanged"})
    for (const char* key : {"bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider", "s_m"}) {
      const std::string place = fmt::format("caption.text.{}.{}", half, key);
      table.score(fmt::format("caption {} {}", half, key), place, "blind." + place,
                  fmt::format("blind.caption_flag.text.{}.{}", half, key));
    }
  for (const char* key : {"sr_mask", "sr_largest", "sr_union", "sr_any", "mse", "mae", "median_error_px",
                          "p90_error_px", "energy_score", "top3_largest", "coverage90", "area90", "type_accuracy"})
    table.score(fmt::format("action {}", key), fmt::format("action.{}", key), fmt::format("blind.action.{}", key));
  if (find(report, "map")) {
    table.score("map iou", "map.iou");
    for (const char* key : {"sr_mask", "sr_largest", "sr_union", "mse"})
      table.score(fmt::format("map peak {}", key), fmt::format("map.peak.{}", key),
                  fmt::format("blind.action.{}", key));
  }
  if (const OrderedJson* levels = find(report, "region.levels"))
    for (std::size_t i = 0; i < levels->size(); ++i) {
      const OrderedJson row{{"r", (*levels)[i]}};
      const double percent = 100 * (*levels)[i].at("level").get<double>();
      Table one(row);
      one.score(fmt::format("region {:.0f} % holds the target", percent), "r.coverage");
      one.score(fmt::format("region {:.0f} % share of the image", percent), "r.area");
      table.text += one.text;
    }
  if (count(report, "abstained.count") > 0) {
    table.score("abstains", "abstained.share");
    for (const char* key : {"sr_mask", "sr_largest", "sr_union", "sr_any"})
      table.score(fmt::format("the others {}", key), fmt::format("abstained.kept.{}", key));
  }
  if (find(report, "risk_coverage")) {
    table.score("risk-coverage area, by region", "risk_coverage.aurc");
    table.score("risk-coverage area, by p_zoom", "risk_coverage.by_p_zoom.aurc");
  }
  table.text +=
      fmt::format("points of {} changed pairs; {} pairs whose mask contradicts their flag left out of the action\n",
                  count(report, "action.n"), count(report, "contradictory.n"));
  const OrderedJson& sentences = report.at("blind").at("sentences");
  table.text += fmt::format("blind: majority flag; \"{}\" (all) or \"{}\" (changed half); centre point, always zoom\n",
                            sentences.at("constant").get<std::string>(), sentences.at("changed").get<std::string>());
  table.text += "+flag: the model's flag picks one of the two sentences\n";
  return table.text;
}

}  // namespace cp
