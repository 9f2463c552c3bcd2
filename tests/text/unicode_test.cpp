#include "text/unicode.h"

#include "core/json.h"
#include "support/test_support.h"

namespace cp {
namespace {

// How many code points `is_class` judges unlike the flat [first, last, ...] list of the golden file.
int differences(const Json& ranges, bool (*is_class)(char32_t)) {
  std::vector<bool> want(0x110000);
  for (std::size_t i = 0; i < ranges.size(); i += 2)
    for (auto c = ranges[i].get<std::size_t>(); c <= ranges[i + 1].get<std::size_t>(); ++c) want[c] = true;
  int different = 0;
  for (char32_t c = 0; c < 0x110000; ++c)
    if (c < 0xd800 || c > 0xdfff) different += is_class(c) != want[c];
  return different;
}

TEST(Unicode, ClassesOfAllCodePointsEqualTheLibrarys) {
  const Json classes = read_json(test::golden("text/classes.json"), ErrorKind::data);
  EXPECT_EQ(differences(classes["letter"], is_letter), 0);
  EXPECT_EQ(differences(classes["number"], is_number), 0);
  EXPECT_EQ(differences(classes["space"], is_space), 0);
  EXPECT_EQ(differences(classes["numeric"], is_numeric), 0);
  EXPECT_EQ(differences(classes["numeric"], is_number), 13);  // Unicode 17's
}

TEST(Unicode, AWrongClassIsNoticed) {
  Json letters = read_json(test::golden("text/classes.json"), ErrorKind::data)["letter"];
  letters[1] = letters[1].get<int>() + 1;
  EXPECT_EQ(differences(letters, is_letter), 1);
}

TEST(Unicode, InvalidSequencesBecomeOneReplacementEach) {
  const std::string r = "\xef\xbf\xbd";
  EXPECT_EQ(replace_invalid_utf8("a\xff"
                                 "b"),
            "a" + r + "b");
  EXPECT_EQ(replace_invalid_utf8("\xc3"), r);
  EXPECT_EQ(replace_invalid_utf8("\xe4\xb8"), r);  // a maximal valid prefix is one fault
  EXPECT_EQ(replace_invalid_utf8("\xe4\xb8z"), r + "z");
  EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\x91"), r);
  EXPECT_EQ(replace_invalid_utf8("\xc0\xaf"), r + r);  // overlong
  EXPECT_EQ(replace_invalid_utf8("\xe0\x80\xaf"), r + r + r);
  EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), r + r + r);          // surrogate
  EXPECT_EQ(replace_invalid_utf8("\xf4\x90\x80\x80"), r + r + r + r);  // above U+10FFFF
  EXPECT_EQ(replace_invalid_utf8("\x80"), r);
  EXPECT_EQ(replace_invalid_utf8("é中👍"), "é中👍");
}

TEST(Unicode, EveryCodePointSurvivesEncodingAndDecoding) {
  int visited = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    std::string text;
    append_utf8(c, text);
    std::size_t position = 0;
    ASSERT_EQ(next_code_point(text, position), c);
    ASSERT_EQ(position, text.size());
    ++visited;
  }
  EXPECT_EQ(visited, 0x110000 - 0x800);
}

TEST(Nfc, ComposesReordersAndKeepsExclusions) {
  EXPECT_EQ(nfc("plain ascii"), "plain ascii");
  EXPECT_EQ(nfc("e\u0301"), "\u00e9");
  EXPECT_EQ(nfc("a\u0302\u0323"), "\u1ead");  // circumflex and dot below, in either order
  EXPECT_EQ(nfc("a\u0323\u0302"), "\u1ead");
  EXPECT_EQ(nfc("\u212b"), "\u00c5");                // the Angstrom sign
  EXPECT_EQ(nfc("\u1100\u1161\u11a8"), "\uac01");    // Hangul by formula
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093c");          // excluded from composition
  EXPECT_EQ(nfc("\ufb01 \u00bd"), "\ufb01 \u00bd");  // compatibility forms stay
  EXPECT_EQ(nfc(std::string("\0\u0301", 3)), std::string("\0\u0301", 3));
  EXPECT_EQ(nfc(""), "");
}

}  // namespace
}  // namespace cp
