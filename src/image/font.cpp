#include "image/font.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>

#include <ft2build.h>
#include FT_FREETYPE_H

#include "image/font_builtin.h"

namespace cp {
namespace {

constexpr const char* kKnownPlaces[] = {
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
};
constexpr std::string_view kBuiltinName = "builtin";  // CP_FONT=builtin: no font file at all

int clamp_size(int px) { return std::clamp(px, 4, 512); }

// Fonts in order of preference. All calls go through font_set() under its lock, since FreeType's faces are not shared
// safely.
class FontSet {
 public:
  explicit FontSet(const std::string& chosen) {
    if (chosen == kBuiltinName || FT_Init_FreeType(&library_) != 0) return;
    if (!chosen.empty()) add(chosen);
    for (const char* path : kKnownPlaces) add(path);
  }
  FontSet(const FontSet&) = delete;
  FontSet& operator=(const FontSet&) = delete;
  ~FontSet() {
    for (FT_Face face : faces_) FT_Done_Face(face);
    if (library_ != nullptr) FT_Done_FreeType(library_);
  }

  const std::vector<std::string>& paths() const { return paths_; }
  bool builtin() const { return faces_.empty(); }

  // Height of a line and of its part above the base line, px.
  int line_height(int px) const {
    return builtin() ? 9 * builtin_scale(px) : pixels(sized(faces_[0], px)->size->metrics.height);
  }
  int ascender(int px) const {
    return builtin() ? 7 * builtin_scale(px) : pixels(sized(faces_[0], px)->size->metrics.ascender);
  }

  int advance(char32_t character, int px) const {
    if (builtin()) return (detail::kBuiltinWidth + 1) * builtin_scale(px);
    const std::optional<FT_GlyphSlot> glyph = load(character, px, FT_LOAD_TARGET_LIGHT);
    return glyph ? pixels((*glyph)->advance.x) : 0;
  }

  // Blends the character with its origin at (x, base_line).
  void draw(Image& image, int x, int base_line, char32_t character, int px, const Color& color) const {
    if (builtin()) {
      draw_builtin(image, x, base_line, character, builtin_scale(px), color);
      return;
    }
    const std::optional<FT_GlyphSlot> glyph = load(character, px, FT_LOAD_TARGET_LIGHT | FT_LOAD_RENDER);
    if (!glyph || (*glyph)->bitmap.pixel_mode != FT_PIXEL_MODE_GRAY) return;
    const FT_Bitmap& bitmap = (*glyph)->bitmap;
    for (int row = 0; row < static_cast<int>(bitmap.rows); ++row)
      for (int column = 0; column < static_cast<int>(bitmap.width); ++column)
        blend_pixel(image, x + (*glyph)->bitmap_left + column, base_line - (*glyph)->bitmap_top + row, color,
                    bitmap.buffer[row * bitmap.pitch + column] / 255.0);
  }

 private:
  static int pixels(FT_Pos fixed_26_6) { return static_cast<int>((fixed_26_6 + 32) >> 6); }
  static int builtin_scale(int px) { return std::max(1, clamp_size(px) / 9); }

  static FT_Face sized(FT_Face face, int px) {
    FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(clamp_size(px)));
    return face;
  }

  void add(const std::string& path) {
    FT_Face face = nullptr;
    if (FT_New_Face(library_, path.c_str(), 0, &face) != 0) return;  // not installed, or no font
    if (!FT_IS_SCALABLE(face)) {
      FT_Done_Face(face);
      return;
    }
    faces_.push_back(face);
    paths_.push_back(path);
  }

  // The first font that has the character, else "?" of the first font.
  std::optional<FT_GlyphSlot> load(char32_t character, int px, FT_Int32 flags) const {
    for (const char32_t wanted : {character, U'?'}) {
      for (FT_Face face : faces_) {
        const FT_UInt index = FT_Get_Char_Index(face, wanted);
        if (index != 0 && FT_Load_Glyph(sized(face, px), index, flags) == 0) return face->glyph;
      }
    }
    return std::nullopt;
  }

  static void draw_builtin(Image& image, int x, int base_line, char32_t character, int scale, const Color& color) {
    if (character < detail::kBuiltinFirst || character > detail::kBuiltinLast) character = U'?';
    const auto& columns = detail::builtin_glyph(character);
    for (int column = 0; column < detail::kBuiltinWidth; ++column) {
      for (int row = 0; row < detail::kBuiltinHeight; ++row) {
        if ((columns[static_cast<std::size_t>(column)] >> row & 1) == 0) continue;
        const int left = x + column * scale, top = base_line + (row - detail::kBuiltinHeight) * scale;
        fill_rect(image, left, top, left + scale, top + scale, color);
      }
    }
  }

  FT_Library library_ = nullptr;
  std::vector<FT_Face> faces_;
  std::vector<std::string> paths_;
};

struct Locked {
  std::unique_lock<std::mutex> lock;
  FontSet& fonts;
};

// Opens the fonts at the first use, and anew when CP_FONT has changed.
Locked font_set() {
  static std::mutex mutex;
  static std::unique_ptr<FontSet> fonts;
  static std::string opened_for;
  std::unique_lock<std::mutex> lock(mutex);
  const char* chosen = std::getenv("CP_FONT");
  const std::string name = chosen != nullptr ? chosen : "";
  if (fonts == nullptr || name != opened_for) {
    fonts = std::make_unique<FontSet>(name);
    opened_for = name;
  }
  return {std::move(lock), *fonts};
}

struct Character {
  char32_t code;
  std::string_view bytes;
};

// One character from the front of `text` (not empty). Bytes that are no UTF-8 (RFC 3629) give U+FFFD, one each.
Character next_character(std::string_view text) {
  constexpr char32_t kReplacement = 0xfffd;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  const std::size_t size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0x80) return {first, text.substr(0, 1)};
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return {kReplacement, text.substr(0, 1)};
  char32_t code = first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {kReplacement, text.substr(0, 1)};
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kSmallest[size] || surrogate || code > 0x10ffff) return {kReplacement, text.substr(0, 1)};
  return {code, text.substr(0, size)};
}

std::vector<Character> characters_of(std::string_view text) {
  std::vector<Character> out;
  while (!text.empty()) {
    out.push_back(next_character(text));
    text.remove_prefix(out.back().bytes.size());
  }
  return out;
}

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

// Scripts that are written without spaces between words.
bool is_cjk(char32_t code) {
  return (code >= 0x2e80 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7af) ||
         (code >= 0xf900 && code <= 0xfaff) || (code >= 0xff00 && code <= 0xff60) ||
         (code >= 0x20000 && code <= 0x3ffff);
}

bool contains(std::u32string_view set, char32_t code) { return set.find(code) != set.npos; }

// May a line end between these two neighbours?
bool may_break(char32_t before, char32_t after) {
  if (before == U' ') return after != U' ';
  if (contains(U"（《【「『“‘([", before)) return false;
  if (contains(U"，。、；：？！）》】」』”’,.;:?!)]", after)) return false;
  return is_cjk(before) || is_cjk(after);
}

std::string join(const std::vector<Character>& characters, std::size_t begin, std::size_t end) {
  while (end > begin && characters[end - 1].code == U' ') --end;
  std::string line;
  for (std::size_t i = begin; i < end; ++i) line += characters[i].bytes;
  return line;
}

void wrap_paragraph(std::string_view text, int px, int width, FontSet& fonts, std::vector<std::string>* lines) {
  const std::vector<Character> characters = characters_of(text);
  std::size_t begin = 0, last_break = 0;
  int used = 0;
  for (std::size_t i = 0; i < characters.size();) {
    if (i > begin && may_break(characters[i - 1].code, characters[i].code)) last_break = i;
    const int advance = is_control(characters[i].code) ? 0 : fonts.advance(characters[i].code, px);
    // A space may stand over the edge: it is not seen there.
    if (i > begin && characters[i].code != U' ' && used + advance > width) {
      const std::size_t end = last_break > begin ? last_break : i;
      lines->push_back(join(characters, begin, end));
      begin = i = end;
      used = 0;
      continue;
    }
    used += advance;
    ++i;
  }
  lines->push_back(join(characters, begin, characters.size()));
}

}  // namespace

void draw_text(Image& image, int x, int y, std::string_view utf8, int px, const Color& color) {
  const Locked locked = font_set();
  const int base_line = y + locked.fonts.ascender(px);
  for (const Character& character : characters_of(utf8)) {
    if (is_control(character.code)) continue;
    locked.fonts.draw(image, x, base_line, character.code, px, color);
    x += locked.fonts.advance(character.code, px);
  }
}

int text_width(std::string_view utf8, int px) {
  const Locked locked = font_set();
  int width = 0;
  for (const Character& character : characters_of(utf8))
    if (!is_control(character.code)) width += locked.fonts.advance(character.code, px);
  return width;
}

int line_height(int px) { return font_set().fonts.line_height(px); }

std::vector<std::string> wrap_text(std::string_view utf8, int px, int width) {
  const Locked locked = font_set();
  std::vector<std::string> lines;
  for (;;) {
    const std::size_t end = utf8.find('\n');
    wrap_paragraph(utf8.substr(0, end), px, width, locked.fonts, &lines);
    if (end == utf8.npos) return lines;
    utf8.remove_prefix(end + 1);
  }
}

std::vector<std::string> font_paths() { return font_set().fonts.paths(); }

}  // namespace cp
