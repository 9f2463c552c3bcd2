#pragma once
// In:  nothing.
// Out: a 5 x 7 bitmap of each printable ASCII character, for machines without any font. Internal to image/.
// Not here: FreeType (font.cpp).

#include <array>
#include <cstdint>

namespace cp::detail {

inline constexpr int kBuiltinWidth = 5, kBuiltinHeight = 7;
inline constexpr char32_t kBuiltinFirst = 0x20, kBuiltinLast = 0x7e;

// Five columns, left to right; bit 0 is the top pixel, bit 6 the lowest. `character` must be in [kBuiltinFirst,
// kBuiltinLast].
const std::array<std::uint8_t, kBuiltinWidth>& builtin_glyph(char32_t character);

}  // namespace cp::detail
