#include "metrics/evaluate_abstained.h"

#include <map>

#include "metrics/ratio.h"
#include "metrics/score_block.h"

namespace cp {
namespace {

const std::vector<std::string> kKeptKeys{"sr_mask", "sr_largest", "sr_union", "sr_any"};

}  // namespace

void add_abstained(OrderedJson& report, const std::vector<Predicted>& predictions,
                   const std::vector<std::size_t>& judged, const std::vector<PointScore>& points,
                   const BootstrapOptions& options) {
  std::map<std::string, int> reasons;
  int count = 0, kept = 0;
  for (const Predicted& p : predictions)
    if (!p.abstained.empty()) ++count, ++reasons[p.abstained];
  for (const std::size_t i : judged) kept += predictions[i].abstained.empty();
  OrderedJson& part = report["abstained"];
  part["n"] = predictions.size();
  part["count"] = count;
  part["reasons"] = reasons;
  add_block(report, predictions.size(), {"share"},
            {{"abstained", "",
              [&](Picks picks) {
                double held = 0;
                for (const std::size_t pick : picks) held += !predictions[pick].abstained.empty();
                return std::vector<double>{ratio(held, static_cast<double>(picks.size()))};
              }}},
            options);
  // Resamples are of the judged pairs, so that the number of those that are kept varies as it would.
  at_place(report, "abstained.kept")["n"] = kept;
  add_block(report, judged.size(), kKeptKeys,
            {{"abstained.kept", "",
              [&](Picks picks) {
                double hits[4] = {0, 0, 0, 0}, n = 0;
                for (const std::size_t pick : picks) {
                  if (!predictions[judged[pick]].abstained.empty()) continue;
                  const PointHits& hit = points[pick].hits;
                  const bool of[4] = {hit.mask, hit.largest, hit.union_box, hit.any};
                  for (int k = 0; k < 4; ++k) hits[k] += of[k];
                  ++n;
                }
                return std::vector<double>{ratio(hits[0], n), ratio(hits[1], n), ratio(hits[2], n), ratio(hits[3], n)};
              }}},
            options);
}

}  // namespace cp
