#include "metrics/meteor_normalize.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "text/unicode.h"

namespace cp {
namespace {

using Text = std::u32string;
using View = std::u32string_view;
using Class = bool (*)(char32_t);

// Stand for two or more full stops, as in METEOR: the rules between take them for letters.
constexpr View kDots = U"DOTMULTI", kDotsDot = U"DOTMULTI.", kDotDots = U"DOTDOTMULTI";

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_blank(char32_t c) { return c == U' ' || (c >= U'\t' && c <= U'\r'); }

// METEOR's letters: Latin 1 and the beginning of Latin Extended A, Cyrillic, phonetic extensions.
bool is_alpha(char32_t c) {
  constexpr std::array<std::pair<char32_t, char32_t>, 11> kRanges{{{U'A', U'Z'},
                                                                   {U'a', U'z'},
                                                                   {0xc0, 0xd6},
                                                                   {0xd8, 0xf6},
                                                                   {0xf8, 0x17e},
                                                                   {0x160, 0x160},
                                                                   {0x178, 0x178},
                                                                   {0x400, 0x527},
                                                                   {0xa640, 0xa66e},
                                                                   {0xa67e, 0xa697},
                                                                   {0x1d00, 0x1d7f}}};
  return std::any_of(kRanges.begin(), kRanges.end(), [&](const auto& r) { return c >= r.first && c <= r.second; });
}

bool is_alnum(char32_t c) { return is_digit(c) || is_alpha(c); }
bool is_alnum_or_dot(char32_t c) { return is_alnum(c) || c == U'.'; }
bool no_digit(char32_t c) { return !is_digit(c); }
bool no_alpha(char32_t c) { return !is_alpha(c); }
bool no_alnum(char32_t c) { return !is_alnum(c); }
bool is_s(char32_t c) { return c == U's'; }

// a MIDDLE b -> a replacement b, left to right; a and b are used up, so that they begin no further match.
Text between(const Text& text, Class a, char32_t middle, Class b, View replacement) {
  Text result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    if (i + 2 >= text.size() || text[i + 1] != middle || !a(text[i]) || !b(text[i + 2])) continue;
    result += replacement;
    result += text[i + 2];
    i += 2;
  }
  return result;
}

Text replace_all(const Text& text, View from, View to) {
  Text result;
  for (std::size_t i = 0; i < text.size();) {
    const bool here = View(text).substr(i).starts_with(from);
    result += here ? to : View(text).substr(i, 1);
    i += here ? from.size() : 1;
  }
  return result;
}

// Blanks round every character that is no letter, digit, blank or one of . ' ` , - and the single quotes.
Text part_signs(const Text& text) {
  constexpr View kKept = U".'`,-\u2018\u2019";
  Text result;
  for (const char32_t c : text) {
    if (is_alnum(c) || is_blank(c) || kKept.find(c) != View::npos)
      result += c;
    else
      (result += U' ') += c, result += U' ';
  }
  return result;
}

// ".." -> " DOTMULTI.", then a stop after the mark goes into it: " DOTDOTMULTI", with a blank when no stop follows.
Text mark_dots(const Text& text) {
  Text result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::size_t end = i;
    while (end < text.size() && text[end] == U'.') ++end;
    if (end - i < 2) {
      result += text[i];
      continue;
    }
    result += U' ';
    result += kDots;
    result.append(end - i - 1, U'.');
    i = end - 1;
  }
  while (result.find(kDotsDot) != Text::npos) {
    Text next;
    for (std::size_t i = 0; i < result.size();) {
      const View rest = View(result).substr(i);
      const bool last = rest.starts_with(kDotsDot) && rest.size() > kDotsDot.size() && rest[kDotsDot.size()] != U'.';
      if (last)
        ((next += kDotDots) += U' ') += rest[kDotsDot.size()];
      else
        next += result[i];
      i += last ? kDotsDot.size() + 1 : 1;
    }
    result = replace_all(next, kDotsDot, kDotDots);
  }
  return result;
}

Text unmark_dots(Text text) {
  while (text.find(kDotDots) != Text::npos) text = replace_all(text, kDotDots, kDotsDot);
  return replace_all(text, kDots, U".");
}

// Lower-case entries of METEOR's list of abbreviations; "pp." is one before a number.
bool is_abbreviation(View word, View next) {
  return word == U"v" || word == U"vs" || word == U"rev" || (word == U"pp" && !next.empty() && is_digit(next.front()));
}

std::vector<Text> cut(const Text& text) {
  std::vector<Text> words;
  bool inside = false;
  for (const char32_t c : text) {
    if (is_blank(c)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    words.back() += c;
    inside = true;
  }
  return words;
}

// The full stop at the end of a word: of an abbreviation with stops inside all stops go; else it stays or is parted.
Text part_stops(const Text& text) {
  const std::vector<Text> words = cut(text);
  Text result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Text& word = words[i];
    const View next = i + 1 < words.size() ? View(words[i + 1]) : View();
    const Text front = word.substr(0, word.size() - 1);
    if (word.size() < 2 || word.back() != U'.') {
      result += word;
    } else if (front.find(U'.') != Text::npos && std::any_of(front.begin(), front.end(), is_alpha)) {
      result += replace_all(word, U".", U"");
    } else if (is_abbreviation(front, next) || (!next.empty() && next.front() >= U'a' && next.front() <= U'z')) {
      result += word;
    } else {
      (result += front) += U" .";
    }
    result += U' ';
  }
  return result;
}

Text normalize(Text text) {
  text = mark_dots(part_signs(text));
  text = between(text, no_digit, U',', no_digit, U" , ");
  text = between(text, is_digit, U',', no_digit, U" , ");
  text = between(text, no_digit, U',', is_digit, U" , ");
  for (char32_t& c : text)
    if (c == U'`' || c == U'\u2018' || c == U'\u2019') c = U'\'';
  for (const View quote : {U"\u201c", U"\u201d", U"''"}) text = replace_all(text, quote, U" \" ");
  for (const View dash : {U"\u2013", U"--"}) text = replace_all(text, dash, U"-");
  text = between(text, is_alnum_or_dot, U'-', is_alnum, U" ");
  text = between(text, no_alpha, U'\'', no_alpha, U" ' ");
  text = between(text, no_alnum, U'\'', is_alpha, U" ' ");
  text = between(text, is_alpha, U'\'', no_alpha, U" ' ");
  text = between(text, is_alpha, U'\'', is_alpha, U" '");
  text = between(text, is_digit, U'\'', is_s, U" '");
  return unmark_dots(part_stops(text));
}

}  // namespace

std::vector<std::string> meteor_normalize(const std::vector<std::string>& words) {
  const auto is_plain = [](const std::string& word) {
    return std::all_of(word.begin(), word.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
  };
  if (std::all_of(words.begin(), words.end(), is_plain)) return words;
  Text text = U" ";
  for (const std::string& word : words) {
    for (std::size_t at = 0; at < word.size();) {
      const char32_t c = next_code_point(word, at);
      text += c == kInvalidCodePoint ? U'\ufffd' : c;
    }
    text += U' ';
  }
  std::vector<std::string> result;
  for (const Text& word : cut(normalize(std::move(text)))) {
    result.emplace_back();
    for (const char32_t c : word) append_utf8(c, result.back());
  }
  return result;
}

}  // namespace cp
