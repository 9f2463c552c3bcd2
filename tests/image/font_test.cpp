#include <algorithm>
#include <cstdlib>

#include "image/font.h"
#include "support/test_support.h"

namespace cp {
namespace {

// Sets CP_FONT for one scope.
class FontChoice {
 public:
  explicit FontChoice(const char* value) { ::setenv("CP_FONT", value, 1); }
  ~FontChoice() { ::unsetenv("CP_FONT"); }
};

struct Ink {
  int pixels = 0, left = 1 << 20, right = -1, top = 1 << 20, bottom = -1;
};

Ink ink_of(std::string_view text, int px) {
  Image image(600, 80, 3);
  draw_text(image, 10, 20, text, px, {255, 255, 255});
  Ink ink;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      if (image.at(x, y)[0] < 64) continue;
      ++ink.pixels;
      ink.left = std::min(ink.left, x), ink.right = std::max(ink.right, x);
      ink.top = std::min(ink.top, y), ink.bottom = std::max(ink.bottom, y);
    }
  }
  return ink;
}

Image drawn(std::string_view text, int px = 24) {
  Image image(200, 60, 3);
  draw_text(image, 4, 4, text, px, {255, 255, 255});
  return image;
}

// With an installed font and with the built-in one.
void check_layout() {
  const Ink ink = ink_of("Two houses", 20);
  EXPECT_GT(ink.pixels, 100);
  EXPECT_GE(ink.left, 9);
  EXPECT_LE(ink.right, 10 + text_width("Two houses", 20));
  EXPECT_GE(ink.top, 20);
  EXPECT_LE(ink.bottom, 20 + line_height(20));
  EXPECT_EQ(text_width("", 20), 0);
  EXPECT_EQ(text_width("ab", 20), text_width("a", 20) + text_width("b", 20));
  EXPECT_GT(text_width("abc", 40), text_width("abc", 20));
  EXPECT_NE(drawn("A"), drawn("B"));
  EXPECT_EQ(drawn("A\r\t"), drawn("A"));
}

TEST(Font, DrawsWithinItsLine) {
  if (font_paths().empty()) GTEST_SKIP() << "no font is installed";
  check_layout();
}

TEST(Font, TheBuiltInOneDrawsWithinItsLine) {
  const FontChoice choice("builtin");
  EXPECT_TRUE(font_paths().empty());
  check_layout();
}

TEST(Font, TheBuiltInOneHasAllOfAsciiAndNothingElse) {
  const FontChoice choice("builtin");
  std::vector<Image> seen;
  for (char c = '!'; c <= '~'; ++c) {
    const Image image = drawn(std::string(1, c));
    EXPECT_NE(image, drawn(" ")) << c;
    EXPECT_EQ(std::count(seen.begin(), seen.end(), image), 0) << c << " looks like an earlier one";
    seen.push_back(image);
  }
  EXPECT_EQ(seen.size(), 94u);
  EXPECT_EQ(drawn("屋"), drawn("?"));
}

TEST(Font, ChineseIsDrawn) {
  const auto paths = font_paths();
  const bool has_chinese = std::any_of(paths.begin(), paths.end(), [](const std::string& path) {
    return path.find("wqy") != path.npos || path.find("CJK") != path.npos || path.find("Droid") != path.npos;
  });
  if (!has_chinese) GTEST_SKIP() << "no Chinese font is installed";
  EXPECT_NE(drawn("屋"), drawn("?"));
  EXPECT_NE(drawn("屋"), drawn("路"));
  EXPECT_NEAR(text_width("屋路", 24), 48, 4);
}

TEST(Font, AWrongFontFileIsPassedOver) {
  const std::string normal = font_paths().empty() ? "" : font_paths()[0];
  const FontChoice choice("/nowhere/none.ttf");
  EXPECT_EQ(font_paths().empty() ? "" : font_paths()[0], normal);
  EXPECT_NE(drawn("A"), drawn("B"));
}

TEST(Font, BytesThatAreNoUtf8ShowAsReplacement) {
  const FontChoice choice("builtin");
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe5\xb1"}) {
    const auto count = std::string_view(bad).size();
    EXPECT_EQ(drawn(bad), drawn(std::string(count, '?'))) << count;
  }
}

TEST(Font, TextOutsideTheImageIsClipped) {
  Image image(20, 10, 3);
  draw_text(image, -1000, 0, "abc", 16, {255, 255, 255});
  draw_text(image, 0, 2000, "abc", 16, {255, 255, 255});
  EXPECT_EQ(image, Image(20, 10, 3));
  draw_text(image, 15, 0, "abcdefgh", 900, {255, 255, 255});  // the size is held to 512
}

TEST(WrapText, KeepsEveryWordAndTheWidth) {
  for (const char* font : {"", "builtin"}) {
    const FontChoice choice(font);
    const std::string text = "Two houses with red roofs were built beside the road, and the trees were cut down.";
    const auto lines = wrap_text(text, 16, 200);
    EXPECT_GT(lines.size(), 2u);
    std::string joined;
    for (const std::string& line : lines) {
      EXPECT_LE(text_width(line, 16), 200) << line;
      joined += (joined.empty() ? "" : " ") + line;
    }
    EXPECT_EQ(joined, text);
  }
}

TEST(WrapText, BreaksChineseBetweenCharactersButNotBeforePunctuation) {
  const FontChoice choice("builtin");  // every character is 6 px wide at 9 px
  EXPECT_EQ(wrap_text("道路旁边新建了房屋", 9, 24), (std::vector<std::string>{"道路旁边", "新建了房", "屋"}));
  EXPECT_EQ(wrap_text("道路旁边，新建", 9, 24), (std::vector<std::string>{"道路旁", "边，新建"}));
}

TEST(WrapText, HandlesTheOddCases) {
  const FontChoice choice("builtin");
  EXPECT_EQ(wrap_text("", 9, 60), std::vector<std::string>{""});
  EXPECT_EQ(wrap_text("a\n\nb", 9, 60), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(wrap_text("abcdefgh", 9, 24), (std::vector<std::string>{"abcd", "efgh"}));  // a word wider than a line
  EXPECT_EQ(wrap_text("ab", 9, 0), (std::vector<std::string>{"a", "b"}));               // at least one character a line
  EXPECT_EQ(wrap_text("ab cd   ef", 9, 30), (std::vector<std::string>{"ab cd", "ef"}));
}

}  // namespace
}  // namespace cp
