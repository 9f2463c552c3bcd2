#pragma once
// In:  truths and predictions of a split.
// Out: one report: change flag, captions (all, changed half), action, each beside its blind floor; as JSON and as text.
// Not here: making predictions (runtime/), HTML (report/).

#include <string>
#include <vector>

#include "core/json.h"
#include "data/components.h"
#include "image/image.h"
#include "metrics/caption_report.h"

namespace cp {

struct Truth {
  std::string name;
  int changeflag = 0;
  std::vector<std::string> captions;
  Image mask;                         // one channel; 0 x 0 when the pair has none
  std::vector<Component> components;  // find_components(mask)
};

struct Predicted {
  std::string name;
  std::string caption;
  double x = 0.5, y = 0.5;  // fractions
  int a = 0;
  double p_zoom = 0;  // calibrated probability that the pair changed
};

// {"n","contradictory","flag":{"accuracy","f1"},"caption":{"all":{bleu1..bleu4,meteor,rouge_l,cider},"changed":{...}},
//  "action":{"n","sr_mask","sr_largest","sr_union","sr_any","mse","mae","n_type","type_accuracy"},"blind":{same shape}}
// - flag: the predicted flag is `a`. F1 is that of "changed"; both are over all pairs.
// - caption: "changed" is the half with changeflag 1, its document frequencies from its own references.
// - "contradictory": pairs whose mask shows a change although their flag says none; left out of the action.
// - action: points of the changed pairs with a change in their mask, whatever `a` was predicted. MSE and MAE are per
//   coordinate, against the target (by default the centre of the largest component's box). type_accuracy is the share
//   of right `a` among "n_type", which is all pairs but the contradictory ones.
// - blind: flag = the majority class (changed in a tie); "caption" = `constant` over all, `changed` over the changed
//   half; "caption_flag" = the predicted flag picks one of the two; action = the centre point, always zoom; "sentences"
//   names the two.
// Truths and predictions must be the same pairs in the same order (BugError). Empty sums give 0.
Json evaluate(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions,
              Target target = Target::largest, const BlindSentences& blind = {});

// The same numbers as a table for people, floors beside them.
std::string evaluation_table(const Json& report);

}  // namespace cp
