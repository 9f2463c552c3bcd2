#pragma once
// In:  an action (x, y, a); a tokenizer.
// Out: the action as ids that a language model writes ("x43 y71 a1": the discrete baseline), the instructions that ask
//      for it, with and without the steps before it (analyse, locate, act).
// Not here: writing them (runtime/token_head.h), learning them (learn/).

#include <array>
#include <string>
#include <vector>

#include "text/bpe_tokenizer.h"

namespace cp {

inline constexpr int kActionBins = 100;  // of each coordinate; two digits
inline constexpr int kActionSlots = 5;   // x tens, x ones, y tens, y ones, a

// x and y as bins 0 .. 99, a in {0, 1}.
struct BinnedAction {
  int x = 0, y = 0, a = 0;
  bool operator==(const BinnedAction&) const = default;

  int digit(int slot) const;  // of slot 0 .. kActionSlots - 1
};
// x, y in [0, 1]: bin b holds [b / 100, (b + 1) / 100); 1 counts as bin 99.
BinnedAction bin_action(double x, double y, int a);
double bin_centre(int bin);  // (bin + 0.5) / 100

// How one tokenizer spells actions: each digit is one id. Throws UserError(model) for a vocabulary without digits.
class ActionSpelling {
 public:
  explicit ActionSpelling(const BpeTokenizer& tokenizer);

  std::vector<int> ids(const BinnedAction& action) const;        // without an end token
  const std::vector<int>& lead(int slot) const;                  // ids before the digit of a slot; may be empty
  const std::array<int, 10>& digits() const { return digits_; }  // id of each digit
  int choices(int slot) const { return slot == 4 ? 2 : 10; }     // digits 0 .. choices - 1 may stand in a slot

 private:
  std::array<int, 10> digits_;
  std::vector<int> leads_[kActionSlots];
};

// Asks for the action alone, or (`thought`) for what changed, where, and then the action; "en" or "zh".
const std::string& action_instruction(const std::string& language, bool thought);

// Where a point of the image lies, in words: "at the top left" .. "in the centre"; "en" or "zh".
std::string place_words(double x, double y, const std::string& language);

// A thought: what changed, then where; an unchanged pair has no place.
std::string thought_text(const std::string& caption, const std::string& place, const std::string& language);

}  // namespace cp
