#include "metrics/score_block.h"

#include <cmath>

#include "core/error.h"

namespace cp {

OrderedJson estimate_json(const Estimate& estimate) {
  OrderedJson json{{"value", estimate.value}};
  if (estimate.interval) {
    json["low"] = estimate.interval->low;
    json["high"] = estimate.interval->high;
  }
  return json;
}

OrderedJson& at_place(OrderedJson& report, const std::string& place) {
  OrderedJson* at = &report;
  for (std::size_t start = 0; start <= place.size();) {
    const std::size_t end = std::min(place.find('.', start), place.size());
    at = &(*at)[place.substr(start, end - start)];
    start = end + 1;
  }
  return *at;
}

void add_block(OrderedJson& report, std::size_t n, const std::vector<std::string>& keys,
               const std::vector<ScoredSystem>& systems, const BootstrapOptions& options) {
  CP_CHECK(!systems.empty() && !systems.front().place.empty(), "add_block: no first system");
  if (n == 0) return;
  // Per system its scores, then the differences of the first one to it.
  const auto both = [&](Picks picks) {
    std::vector<double> all, first;
    for (const ScoredSystem& system : systems) {
      const std::vector<double> scores = system.scores(picks);
      CP_CHECK(scores.size() == keys.size(), "add_block: as many scores as keys");
      if (first.empty()) first = scores;
      all.insert(all.end(), scores.begin(), scores.end());
      for (std::size_t k = 0; k < keys.size(); ++k) all.push_back(first[k] - scores[k]);
    }
    return all;
  };
  const std::vector<Estimate> estimates = bootstrap(n, both, options);
  auto next = estimates.begin();
  const auto write = [&](const std::string& place, const std::string& before_key) {
    for (const std::string& key : keys) {
      if (!place.empty() && std::isfinite(next->value))
        at_place(report, place)[before_key + key] = estimate_json(*next);
      ++next;
    }
  };
  for (const ScoredSystem& system : systems) {
    write(system.place, "");
    write(system.delta.empty() ? "" : "delta." + system.delta, systems.front().place + ".");
  }
}

}  // namespace cp
