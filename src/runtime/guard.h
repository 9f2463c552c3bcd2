#pragma once
// In:  whatever numbers a model gave for an action.
// Out: an action that every receiver may take: inside the image, one of two types, a probability.
// Not here: where the numbers come from, and why an answer abstains (session.h, abstain.h).

namespace cp {

// Places are fractions of the image extent.
struct RawAction {
  double x = 0.5, y = 0.5;
  double a = 0;
  double p_zoom = 0;
};

struct Action {
  double x = 0.5, y = 0.5;  // in [0, 1)
  int a = 0;                // 1 = zoom and capture, 0 = hover
  double p_zoom = 0;        // calibrated probability of a = 1
  bool unsafe = false;      // a number was not finite: centre and hover instead
};

// The largest place: below 1 with the four decimals that are printed, too.
inline constexpr double kLargestPlace = 0.9999;

// For any four numbers. Places and p_zoom are cut to their ranges, a is 1 from 0.5 on. One number that is not finite
// makes all of it {0.5, 0.5, 0, 0, unsafe}.
Action guard_action(const RawAction& raw);

}  // namespace cp
