#pragma once
// In:  nothing.
// Out: the configuration of AMX's tiles that all products here use: eight of 16 rows of 64 bytes.
// Not here: whether there are tiles (cpu.h).

#include <cstdint>

namespace cp {

// As the processor reads it (Intel SDM, LDTILECFG). It stands in memory, not on a stack: GCC 12 tells the optimiser of
// the first 8 bytes only, and stores of the others may then be left out.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t row_count[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
inline constexpr TileConfig kTiles;

}  // namespace cp
