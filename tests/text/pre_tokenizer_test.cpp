// The scanner and the merge queue on cases small enough to check by hand.
#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>

#include "core/rng.h"
#include "support/test_support.h"
#include "text/bpe_merge.h"
#include "text/unicode.h"

namespace cp {
namespace {

using testing::ElementsAre;

auto split_qwen2(std::string_view text) { return split_text(text, Split::qwen2); }

TEST(SplitQwen2, WordsTakeOneLeadingBlankOrSign) {
  EXPECT_THAT(split_qwen2("a new  house"), ElementsAre("a", " new", " ", " house"));
  EXPECT_THAT(split_qwen2("(yes) -no"), ElementsAre("(yes", ")", " -", "no"));
  EXPECT_THAT(split_qwen2("\tx\u00a0y"), ElementsAre("\tx", "\u00a0y"));
  EXPECT_THAT(split_qwen2(""), ElementsAre());
}

TEST(SplitQwen2, DigitsStandAlone) {
  EXPECT_THAT(split_qwen2("in 2024x"), ElementsAre("in", " ", "2", "0", "2", "4", "x"));
}

TEST(SplitQwen2, ContractionsWithoutRegardToCase) {
  EXPECT_THAT(split_qwen2("it's WE'LL'x"), ElementsAre("it", "'s", " WE", "'LL", "'x"));
  EXPECT_THAT(split_qwen2("'re've'm'd't's"), ElementsAre("'re", "'ve", "'m", "'d", "'t", "'s"));
  EXPECT_THAT(split_qwen2("o'clock 'r 'l"), ElementsAre("o", "'clock", " '", "r", " '", "l"));
  EXPECT_THAT(split_qwen2("a'\u017f"), ElementsAre("a", "'\u017f"));
}

TEST(SplitQwen2, SymbolsTakeABlankBeforeAndNewlinesBehind) {
  EXPECT_THAT(split_qwen2("a ...\r\n\nb"), ElementsAre("a", " ...\r\n\n", "b"));
  EXPECT_THAT(split_qwen2("!\u0301!"), ElementsAre("!\u0301!"));
}

TEST(SplitQwen2, WhiteSpaceLeavesItsLastForTheNextWord) {
  EXPECT_THAT(split_qwen2("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(split_qwen2("a   1"), ElementsAre("a", "  ", " ", "1"));
  EXPECT_THAT(split_qwen2("a \n  b"), ElementsAre("a", " \n", " ", " b"));
  EXPECT_THAT(split_qwen2("a  "), ElementsAre("a", "  "));
  EXPECT_THAT(split_qwen2(" \n \n"), ElementsAre(" \n \n"));
  EXPECT_THAT(split_qwen2("    if x"), ElementsAre("   ", " if", " x"));
}

TEST(SplitLlama3, UpToThreeDigitsStandTogether) {
  EXPECT_THAT(split_text("in 20245x", Split::llama3), ElementsAre("in", " ", "202", "45", "x"));
  EXPECT_THAT(split_text("don't  \n\n go", Split::llama3), ElementsAre("don", "'t", "  \n\n", " go"));
}

TEST(SplitGpt2, OnlyABlankLeadsAWordNumbersAndSignsTogether) {
  const auto split = [](std::string_view text) { return split_text(text, Split::gpt2); };
  EXPECT_THAT(split("a new  house"), ElementsAre("a", " new", " ", " house"));
  EXPECT_THAT(split("(yes) -no"), ElementsAre("(", "yes", ")", " -", "no"));
  EXPECT_THAT(split("\tx\n\ty"), ElementsAre("\t", "x", "\n", "\t", "y"));
  EXPECT_THAT(split("in 2024x"), ElementsAre("in", " 2024", "x"));
  EXPECT_THAT(split("it's WE'LL 's"), ElementsAre("it", "'s", " WE", "'", "LL", " '", "s"));
  EXPECT_THAT(split("a ...\r\n\nb"), ElementsAre("a", " ...", "\r\n", "\n", "b"));
  EXPECT_THAT(split("    if x  "), ElementsAre("   ", " if", " x", "  "));
  EXPECT_THAT(split("a   1"), ElementsAre("a", "  ", " 1"));
  EXPECT_THAT(split(""), ElementsAre());
}

TEST(SplitDigitsGpt2, DigitsStandAloneAndEndTheTextBefore) {
  const auto split = [](std::string_view text) { return split_text(text, Split::digits_gpt2); };
  EXPECT_THAT(split("in 2024x"), ElementsAre("in", " ", "2", "0", "2", "4", "x"));
  EXPECT_THAT(split("a   1"), ElementsAre("a", "   ", "1"));
  EXPECT_THAT(split("½٣Ⅷ\U00011de3."), ElementsAre("½", "٣", "Ⅷ", "\U00011de3", "."));
  EXPECT_THAT(split(""), ElementsAre());
}

TEST(SplitText, PiecesJoinToTheText) {
  Rng rng(2, Stream::test);
  const std::vector<std::string> parts = {"a", "Z", "1", " ",  "\n",     "\r",     "\t", "'",
                                          "s", "!", "é", "中", "\u0301", "\u3000", "👍"};
  int visited = 0;
  for (const Split split : {Split::qwen2, Split::llama3, Split::gpt2, Split::digits_gpt2})
    for (int i = 0; i < 1000; ++i, ++visited) {
      std::string text, joined;
      for (std::uint64_t k = rng.below(20); k > 0; --k) text += parts[rng.below(parts.size())];
      for (const std::string_view piece : split_text(text, split)) {
        EXPECT_FALSE(piece.empty());
        joined += piece;
      }
      EXPECT_EQ(joined, text);
    }
  EXPECT_EQ(visited, 4000);
}

TEST(ByteCharacters, AreGpt2sAndComeBack) {
  EXPECT_EQ(byte_character(' '), "\u0120");
  EXPECT_EQ(byte_character('\n'), "\u010a");
  EXPECT_EQ(byte_character('A'), "A");
  EXPECT_EQ(byte_character(0xad), "\u0143");
  EXPECT_EQ(byte_character(0xff), "\u00ff");
  std::string token, bytes;
  for (unsigned i = 0; i < 256; ++i) {
    token += byte_character(static_cast<std::uint8_t>(i));
    bytes += static_cast<char>(i);
  }
  EXPECT_EQ(token_bytes(token), bytes);
  EXPECT_EQ(token_bytes("<a b>"), "<a b>");  // a blank is no byte character: the token stands for itself
  EXPECT_EQ(byte_alphabet().front(), '!');
  EXPECT_EQ(byte_alphabet().back(), 0xad);
}

// The definition: again and again the leftmost pair of the lowest rank.
std::vector<int> merge_naively(std::vector<int> ids, const std::vector<std::array<int, 3>>& merges) {
  for (std::size_t rank = 0; rank < merges.size();) {
    bool found = false;
    for (std::size_t i = 0; i + 1 < ids.size() && !found; ++i)
      if (ids[i] == merges[rank][0] && ids[i + 1] == merges[rank][1]) {
        ids[i] = merges[rank][2];
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        found = true;
      }
    rank = found ? 0 : rank + 1;
  }
  return ids;
}

TEST(BpeMerges, EqualTheNaiveDefinition) {
  Rng rng(3, Stream::test);
  int visited = 0, shortened = 0;
  for (int table = 0; table < 60; ++table) {
    BpeMerges merges;
    std::vector<std::array<int, 3>> list;
    for (int merged = 3; merged < 20; ++merged) {
      const int left = static_cast<int>(rng.below(static_cast<std::uint64_t>(merged)));
      const int right = static_cast<int>(rng.below(static_cast<std::uint64_t>(merged)));
      if (merges.add(left, right, merged)) list.push_back({left, right, merged});
    }
    for (int i = 0; i < 50; ++i, ++visited) {
      std::vector<int> ids(rng.below(40));
      for (int& id : ids) id = static_cast<int>(rng.below(3));
      const std::vector<int> want = merge_naively(ids, list);
      shortened += want.size() < ids.size();
      merges.apply(ids);
      EXPECT_EQ(ids, want);
    }
  }
  EXPECT_EQ(visited, 3000);
  EXPECT_GE(shortened, 1500);
}

TEST(BpeMerges, APairMayStandOnce) {
  BpeMerges merges;
  EXPECT_TRUE(merges.add(1, 2, 3));
  EXPECT_FALSE(merges.add(1, 2, 4));
}

}  // namespace
}  // namespace cp
