#pragma once
// In:  a sum and what it is a share of.
// Out: their quotient, or NaN where there is nothing to divide by: a score that was not measured is not 0.
// Not here: scores.

#include <limits>

namespace cp {

inline constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

inline double ratio(double part, double whole) { return whole > 0 ? part / whole : kNotMeasured; }

}  // namespace cp
