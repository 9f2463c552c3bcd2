#pragma once
// In:  truths and predictions of a split.
// Out: one report: change flag, captions (all, changed half), action, each beside its blind floor; JSON and a text table.
// Not here: making predictions (runtime/), HTML (report/).

#include <string>
#include <vector>

#include "core/json.h"
#include "data/components.h"
#include "image/image.h"

namespace cp {

struct Truth {
  std::string name;
  int changeflag = 0;
  std::vector<std::string> captions;
  Image mask;                          // one channel; 0 x 0 when the pair has none
  std::vector<Component> components;
};

struct Predicted {
  std::string name;
  std::string caption;
  double x = 0.5, y = 0.5;  // fractions
  int a = 0;
  double p_zoom = 0;        // calibrated probability that the pair changed
};

// Pairs whose flag contradicts their mask are counted ("contradictory") and left out of the action scores.
// {"n","contradictory","flag":{"accuracy","f1"},"caption":{"all":{bleu1..bleu4,meteor,rouge_l,cider},"changed":{...}},
//  "action":{"n","sr_mask","sr_largest","sr_union","sr_any","mse","mae","type_accuracy"},"blind":{same shape}}
// Action scores are over changed pairs with a mask; MSE and MAE per coordinate against the largest component's box centre.
// Blind: flag = the majority class; captions = one constant sentence ("constant") and, under "blind"."caption_flag", the
// predicted flag + one fixed sentence; action = the centre point, always zoom.
Json evaluate(const std::vector<Truth>& truths, const std::vector<Predicted>& predictions, Target target = Target::largest);

// The same numbers as a table for people, floors beside them.
std::string evaluation_table(const Json& report);

}  // namespace cp
