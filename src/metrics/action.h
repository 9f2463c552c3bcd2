#pragma once
// In:  predicted points and action types with the masks, components and flags they are judged by.
// Out: hit rates on four regions, MSE, MAE and action-type accuracy.
// Not here: which pairs are judged (evaluate.cpp), what a target is (data/components.h).

#include <vector>

#include "data/components.h"
#include "image/image.h"

namespace cp {

// Where a point lies. Boxes are half-open; a point stands for the centre of the pixel that holds it, and one on or past
// the edge for the edge's pixel, so that all four agree about what a hit is.
struct PointHits {
  bool mask = false;       // on a changed pixel
  bool largest = false;    // in the largest component's box
  bool union_box = false;  // in the box round all components
  bool any = false;        // in any component's box
};

// `point` in fractions of the extent; `components` of `mask`, largest first, not empty.
PointHits point_hits(const Image& mask, const std::vector<Component>& components, Point point);

struct ActionScores {
  int n = 0;                                                     // points judged
  double sr_mask = 0, sr_largest = 0, sr_union = 0, sr_any = 0;  // shares of hits, 0 to 1
  double mse = 0, mae = 0;                                       // per coordinate, on fractions
  int n_type = 0;                                                // action types judged
  double type_accuracy = 0;                                      // share with the right a
};

// Adds up pairs; scores() of nothing are zeros.
class ActionTally {
 public:
  void add_point(const PointHits& hits, Point predicted, Point target);
  void add_type(int predicted_a, int true_a);
  ActionScores scores() const;

 private:
  int points_ = 0, types_ = 0, right_types_ = 0;
  int on_mask_ = 0, in_largest_ = 0, in_union_ = 0, in_any_ = 0;
  double squared_ = 0, absolute_ = 0;
};

}  // namespace cp
