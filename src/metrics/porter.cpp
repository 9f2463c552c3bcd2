#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "metrics/stemmer.h"

namespace cp {
namespace {

struct Rule {
  std::string_view suffix, ending;
};

// True for each letter that is a consonant: no vowel, and no y behind a consonant.
std::vector<bool> consonants(std::string_view word) {
  std::vector<bool> result;
  for (const char c : word) {
    const bool vowel = c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
    result.push_back(!vowel && (c != 'y' || result.empty() || !result.back()));
  }
  return result;
}

// Porter's m: how often a consonant follows a vowel.
int measure(std::string_view stem) {
  const std::vector<bool> is_consonant = consonants(stem);
  int m = 0;
  for (std::size_t i = 1; i < is_consonant.size(); ++i) m += is_consonant[i] && !is_consonant[i - 1];
  return m;
}

bool has_vowel(std::string_view stem) {
  for (const bool consonant : consonants(stem))
    if (!consonant) return true;
  return false;
}

bool ends_with_double_consonant(std::string_view word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && consonants(word).back();
}

// Porter's *o (consonant, vowel, consonant but w, x, y), or a word of vowel and consonant.
bool ends_short(std::string_view word) {
  const std::vector<bool> c = consonants(word);
  const std::size_t n = c.size();
  if (n == 2) return !c[0] && c[1];
  return n >= 3 && c[n - 3] && !c[n - 2] && c[n - 1] && word.back() != 'w' && word.back() != 'x' && word.back() != 'y';
}

std::string without(const std::string& word, std::string_view suffix) {
  return word.substr(0, word.size() - suffix.size());
}

// The first rule whose suffix fits decides, whether its stem is long enough or not.
std::string by_rules(const std::string& word, std::span<const Rule> rules, int more_than) {
  for (const auto& [suffix, ending] : rules) {
    if (!word.ends_with(suffix)) continue;
    const std::string stem = without(word, suffix);
    return measure(stem) > more_than ? stem + std::string(ending) : word;
  }
  return word;
}

std::string step_1a(const std::string& word) {
  if (word.ends_with("ies")) return without(word, word.size() == 4 ? "s" : "es");
  if (word.ends_with("sses")) return without(word, "es");
  if (word.ends_with("ss") || !word.ends_with("s")) return word;
  return without(word, "s");
}

std::string step_1b(const std::string& word) {
  if (word.ends_with("ied")) return without(word, word.size() == 4 ? "d" : "ed");
  if (word.ends_with("eed")) return measure(without(word, "eed")) > 0 ? without(word, "d") : word;
  std::string stem;
  if (word.ends_with("ed") && has_vowel(without(word, "ed")))
    stem = without(word, "ed");
  else if (word.ends_with("ing") && has_vowel(without(word, "ing")))
    stem = without(word, "ing");
  else
    return word;
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return stem + "e";
  if (ends_with_double_consonant(stem)) {
    const char last = stem.back();
    return last == 'l' || last == 's' || last == 'z' ? stem : without(stem, "x");
  }
  return measure(stem) == 1 && ends_short(stem) ? stem + "e" : stem;
}

std::string step_1c(const std::string& word) {
  if (!word.ends_with("y")) return word;
  const std::string stem = without(word, "y");
  return stem.size() > 1 && consonants(stem).back() ? stem + "i" : word;
}

std::string step_2(const std::string& word) {
  static constexpr std::array<Rule, 21> kRules{
      {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
       {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
       {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
       {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
       {"fulli", "ful"}}};
  if (word.ends_with("alli") && measure(without(word, "alli")) > 0) return step_2(without(word, "li"));
  if (word.ends_with("logi")) return measure(without(word, "ogi")) > 0 ? without(word, "i") : word;
  return by_rules(word, kRules, 0);
}

std::string step_3(const std::string& word) {
  static constexpr std::array<Rule, 7> kRules{
      {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""}, {"ness", ""}}};
  return by_rules(word, kRules, 0);
}

std::string step_4(const std::string& word) {
  static constexpr std::array<Rule, 18> kRules{{{"al", ""},
                                                {"ance", ""},
                                                {"ence", ""},
                                                {"er", ""},
                                                {"ic", ""},
                                                {"able", ""},
                                                {"ible", ""},
                                                {"ant", ""},
                                                {"ement", ""},
                                                {"ment", ""},
                                                {"ent", ""},
                                                {"ou", ""},
                                                {"ism", ""},
                                                {"ate", ""},
                                                {"iti", ""},
                                                {"ous", ""},
                                                {"ive", ""},
                                                {"ize", ""}}};
  if (word.ends_with("ion")) {
    const std::string stem = without(word, "ion");
    return measure(stem) > 1 && (stem.ends_with("s") || stem.ends_with("t")) ? stem : word;
  }
  return by_rules(word, kRules, 1);
}

std::string step_5(std::string word) {
  if (word.ends_with("e")) {
    const std::string stem = without(word, "e");
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_short(stem))) word = stem;
  }
  return word.ends_with("ll") && measure(without(word, "l")) > 1 ? without(word, "l") : word;
}

std::optional<std::string> irregular(const std::string& word) {
  static const std::unordered_map<std::string, std::string> kWords{
      {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
      {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
      {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
      {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"}};
  const auto found = kWords.find(word);
  return found == kWords.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

std::string nltk_porter_stem(std::string word) {
  if (auto stem = irregular(word)) return *stem;
  if (word.size() <= 2) return word;
  return step_5(step_4(step_3(step_2(step_1c(step_1b(step_1a(word)))))));
}

}  // namespace cp
