#pragma once
// In:  UTF-8 text (any bytes: what is not UTF-8 shows as a replacement character), a size in pixels, a colour.
// Out: text blended into an RGB Image; widths; lines that fit a width.
// Not here: shapes (draw.h).
//
// Fonts: $CP_FONT, then the known places of WenQuanYi Micro Hei, Noto Sans CJK, Droid Sans Fallback, DejaVu Sans. Each
// character comes from the first of them that has it. Where no font is installed, a built-in 5 x 7 bitmap of ASCII is
// scaled up and other characters show as "?". Text is never a reason to fail. Safe to call from several threads.

#include <string>
#include <string_view>
#include <vector>

#include "image/draw.h"

namespace cp {

// The text's line box has its top left corner on pixel (x, y); `px` is the font size (about the height of "Ag" with
// descender), 4..512. Control characters are skipped; there are no line breaks here (see wrap_text).
void draw_text(Image& image, int x, int y, std::string_view utf8, int px, const Color& color);

// Advance width, px.
int text_width(std::string_view utf8, int px);

// Distance from one line's top to the next one's, px.
int line_height(int px);

// Lines of at most `width` px: broken at spaces and '\n', within a word only when it alone is too wide, and between any
// two Chinese, Japanese or Korean characters except before closing punctuation. A line holds at least one character.
std::vector<std::string> wrap_text(std::string_view utf8, int px, int width);

// Files in use, in order of preference; empty when the built-in bitmap is used.
std::vector<std::string> font_paths();

}  // namespace cp
