#pragma once
// In:  truths and predictions of a split.
// Out: the scores of metrics.json (docs/validation.md): flag, captions, action, region, map, what abstains, each with
// its interval and
//      its blind floor, and what is known of each pair alone.
// Not here: making predictions (runtime/), files (report/), the table for people (evaluation_table.h).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/components.h"
#include "image/image.h"
#include "metrics/action.h"
#include "metrics/bootstrap.h"
#include "metrics/caption_report.h"
#include "metrics/caption_words.h"
#include "metrics/map.h"
#include "metrics/meteor.h"

namespace cp {

struct Truth {
  std::string name;
  int changeflag = 0;
  std::vector<std::string> captions;  // references; a pair without any is left out of the caption scores
  Image mask;                         // one channel; 0 x 0 when the pair has none
  std::vector<Component> components;  // find_components(mask)
};

// A region that promises to hold the target with probability `level`.
struct PairRegion {
  double level = 0;
  double share = 0;    // of the image's area
  bool holds = false;  // the target, where the pair has one
};

struct Predicted {
  std::string name;
  std::string caption;
  double x = 0.5, y = 0.5;          // fractions
  int a = 0;                        // what it does: 0 too where it abstains
  double p_zoom = 0;                // calibrated probability that the pair changed
  std::vector<Point> samples;       // of the action head, fractions; none: no energy score
  std::vector<PairRegion> regions;  // the same levels in every pair, rising; none: no region scores
  std::optional<Point> peak;        // of the change map, fractions; in every pair or in none
  std::optional<MapIou> map;        // against the mask; none where map or mask is missing
  std::vector<Point> changes;       // where the first changes of its list are, fractions; the first three count
  std::string abstained;            // the reason; empty: it does not abstain
  bool held_back = false;           // it abstains on a pair that it calls changed

  int flag() const { return a == 1 || held_back ? 1 : 0; }  // whether it calls the pair changed
};

struct EvaluateOptions {
  Target target = Target::largest;
  BlindSentences blind;  // the protocol char has its own, Chinese ones
  BootstrapOptions bootstrap;
  double shipped_level = 0.9;  // of the region that answers carry; its size is the confidence of a point
  // Captions are scored once a protocol; the first one's scores are those of a pair alone.
  std::vector<CaptionSplitter> protocols{CaptionSplitter(CaptionProtocol::text)};
  MeteorOptions meteor;  // for the text protocol; the others match exactly
};

// Of one pair alone.
struct PairScores {
  bool contradictory = false;
  std::optional<Point> target;  // where the point is judged
  std::optional<PointScore> point;
  struct Caption {
    double bleu4 = 0, meteor = 0, rouge_l = 0;
    double cider = 0;  // NaN where it is not defined for the set
  };
  std::optional<Caption> caption;
};

struct Evaluation {
  OrderedJson report;
  std::vector<PairScores> pairs;  // in the order of the truths
};

// The report holds "pairs", "contradictory", "caption", "flag", "action", "region", "risk_coverage", "map", "blind" and
// "delta" of metrics.json; docs/metrics.md says what each number is. Truths and predictions must be the same pairs in
// the same order (BugError). What cannot be measured is absent.
Evaluation evaluate(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions,
                    const EvaluateOptions& options = {});

}  // namespace cp
