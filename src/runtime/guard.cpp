#include "runtime/guard.h"

#include <algorithm>
#include <cmath>

namespace cp {

Action guard_action(const RawAction& raw) {
  for (const double number : {raw.x, raw.y, raw.a, raw.p_zoom})
    if (!std::isfinite(number)) return {.unsafe = true};
  return {std::clamp(raw.x, 0.0, kLargestPlace), std::clamp(raw.y, 0.0, kLargestPlace), raw.a >= 0.5 ? 1 : 0,
          std::clamp(raw.p_zoom, 0.0, 1.0), false};
}

}  // namespace cp
