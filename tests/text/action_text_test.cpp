#include "text/action_text.h"

#include "support/test_support.h"
#include "text/template.h"

namespace cp {
namespace {

BpeTokenizer tokenizer() { return BpeTokenizer::load(test::golden("runtime/tokenizer.json")); }

TEST(BinnedAction, BinsHoldTheirCentresAndTheEnds) {
  for (int bin = 0; bin < kActionBins; ++bin)
    EXPECT_EQ(bin_action(bin_centre(bin), 1 - bin_centre(bin), 1), (BinnedAction{bin, kActionBins - 1 - bin, 1}));
  EXPECT_EQ(bin_action(0, 1, 0), (BinnedAction{0, 99, 0}));
  EXPECT_EQ(bin_action(-0.1, 1.5, 3), (BinnedAction{0, 99, 1}));
  for (int i = 0; i <= 1000; ++i) {
    const double x = i / 1000.0;
    EXPECT_LE(std::abs(bin_centre(bin_action(x, x, 0).x) - x), 0.005 + 1e-9) << x;
  }
}

TEST(ActionSpelling, SpellsEveryDigitInItsSlot) {
  const BpeTokenizer t = tokenizer();
  const ActionSpelling spelling(t);
  const BinnedAction action{7, 43, 1};
  EXPECT_EQ(t.decode(spelling.ids(action)), " x07 y43 a1");
  EXPECT_EQ(t.decode(spelling.ids({90, 0, 0})), " x90 y00 a0");
  std::vector<int> parts;
  for (int slot = 0; slot < kActionSlots; ++slot) {
    parts.insert(parts.end(), spelling.lead(slot).begin(), spelling.lead(slot).end());
    EXPECT_LT(action.digit(slot), spelling.choices(slot));
    parts.push_back(spelling.digits()[static_cast<std::size_t>(action.digit(slot))]);
  }
  EXPECT_EQ(parts, spelling.ids(action));
  EXPECT_NE(spelling.ids({7, 43, 1}), spelling.ids({43, 7, 1}));
}

TEST(ActionText, PlacesAreNamedInNinths) {
  EXPECT_EQ(place_words(0.1, 0.1, "en"), "at the top left");
  EXPECT_EQ(place_words(0.9, 0.1, "en"), "at the top right");
  EXPECT_EQ(place_words(0.1, 0.9, "zh"), "在左下角");
  EXPECT_EQ(place_words(0.5, 0.5, "en"), "in the centre");
  EXPECT_EQ(place_words(0.5, 0.99, "zh"), "在下方");
  EXPECT_EQ(thought_text("a house was built", "on the left", "en"), "a house was built ; on the left");
  EXPECT_EQ(thought_text("新建了房屋。", "在左侧", "zh"), "新建了房屋。在左侧。");
  EXPECT_EQ(thought_text("no change", "", "en"), "no change");
}

TEST(ActionText, InstructionsOfBothLanguagesDiffer) {
  for (const char* language : {"en", "zh"}) {
    EXPECT_NE(action_instruction(language, false), action_instruction(language, true));
    EXPECT_EQ(detect_language(action_instruction(language, true)), language);
  }
  EXPECT_TRUE(test::throws_user_error([] { action_instruction("fr", true); }, ErrorKind::usage, {"fr"}));
}

}  // namespace
}  // namespace cp
