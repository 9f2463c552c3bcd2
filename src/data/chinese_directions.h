#pragma once
// In:  a Chinese caption and a turn or mirror of the image it speaks about.
// Out: the caption with its direction words rewritten, or none when that cannot be done safely.
// Not here: English (directions.h), pixels and points (augment.h).

#include <optional>
#include <string>

#include "data/directions.h"

namespace cp {

// Understood are the corners (左上角), the sides (左侧, 右边, 上方, 下方, 上边缘) and the axes (左右两侧). A turn gives
// each character the direction it now points in, corners keep the order of 左上角, and the sides their customary word:
// 左侧 becomes 上方 and 上方 becomes 右侧. 上 behind a noun (空地上, 之上) says "on" and stays. None when a character
// may or may not be a direction that the map changes (向上, 左转, 上侧 in a quarter turn, 东南).
std::optional<std::string> rewrite_chinese_directions(const std::string& caption, const DirectionMap& map);

}  // namespace cp
