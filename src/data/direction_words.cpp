#include "data/direction_words.h"

#include <array>
#include <cctype>

namespace cp {

namespace {

struct StemEntry {
  std::string_view text;
  Stem stem;
};

// The first entry of a direction and style is the one that is written.
constexpr std::array<StemEntry, 13> kStems = {{
    {"left", {-1, 0, StemStyle::edge}},
    {"right", {1, 0, StemStyle::edge}},
    {"top", {0, -1, StemStyle::edge}},
    {"bottom", {0, 1, StemStyle::edge}},
    {"upper", {0, -1, StemStyle::tier}},
    {"lower", {0, 1, StemStyle::tier}},
    {"higher", {0, -1, StemStyle::tier}},
    {"north", {0, -1, StemStyle::compass}},
    {"south", {0, 1, StemStyle::compass}},
    {"west", {-1, 0, StemStyle::compass}},
    {"east", {1, 0, StemStyle::compass}},
    {"up", {0, -1, StemStyle::updown}},
    {"down", {0, 1, StemStyle::updown}},
}};

constexpr std::array<std::string_view, 11> kSuffixes = {"",     "hand", "-hand", "most",    "side", "ern",
                                                        "erly", "ward", "wards", "ernmost", "bound"};

std::optional<StemEntry> stem_at_start(std::string_view text) {
  for (const StemEntry& entry : kStems) {
    if (text.starts_with(entry.text)) return entry;
  }
  return std::nullopt;
}

}  // namespace

std::optional<DirectionWord> parse_direction_word(std::string_view word) {
  if (word.empty()) return std::nullopt;
  std::string lower(word);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view rest = lower;
  DirectionWord out;
  out.capital = lower[0] != word[0];
  while (out.stems.size() < 2) {
    std::string_view after_joint = rest;
    const bool hyphen = !out.stems.empty() && rest.starts_with('-');
    if (hyphen) after_joint.remove_prefix(1);
    const std::optional<StemEntry> entry = stem_at_start(after_joint);
    if (!entry) break;
    if (hyphen) out.joint = "-";
    out.stems.push_back(entry->stem);
    rest = after_joint.substr(entry->text.size());
  }
  if (out.stems.empty()) return std::nullopt;
  for (const std::string_view suffix : kSuffixes) {
    if (rest != suffix) continue;
    out.suffix = rest;
    // "upside", "downward" and "upward" speak of height as often as of the picture: not a stem with a suffix.
    const bool alone = out.stems.size() == 1;
    if (alone && out.stems[0].style == StemStyle::updown) return std::nullopt;
    return out;
  }
  return std::nullopt;
}

std::string stem_text(int dx, int dy, StemStyle style) {
  for (const StemEntry& entry : kStems) {
    if (entry.stem.dx == dx && entry.stem.dy == dy && entry.stem.style == style) return std::string(entry.text);
  }
  return dx < 0 ? "left" : "right";
}

std::string render_direction_word(const DirectionWord& word) {
  std::string text;
  for (std::size_t i = 0; i < word.stems.size(); ++i) {
    if (i > 0) text += word.joint;
    text += stem_text(word.stems[i].dx, word.stems[i].dy, word.stems[i].style);
  }
  text += word.suffix;
  if (word.capital) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace cp
