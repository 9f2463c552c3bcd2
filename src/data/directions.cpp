#include "data/directions.h"

#include <cctype>

#include "core/error.h"
#include "data/direction_reader.h"

namespace cp {

namespace {

// Regions that are called upper and lower rather than top and bottom.
bool is_tier_region(const std::string& w) {
  return is_one_of(w, {"part", "parts", "half", "area", "areas", "middle", "portion", "section"});
}

struct Writer {
  ReadCaption read;
  const DirectionMap& map;

  std::string write() {
    for (const std::size_t i : read.axis_words) {
      if (map.xx == 0) swap_axis_word(read.tokens[i]);
    }
    for (const DirectionPhrase& phrase : read.phrases) {
      const Direction to = map_direction(phrase.direction, map);
      if (to == phrase.direction) continue;
      const bool swapped = map.xx == 0;
      if (phrase.relation) {
        swapped ? write_relation_as_side(phrase.first, to) : set_text(phrase.first, to.dy < 0 ? "above" : "below");
      } else if (swapped && phrase.first == phrase.last && read.tokens[phrase.first].direction->stems.size() == 1) {
        write_single_swapped(phrase.first, to);
      } else {
        write_in_place(phrase, to);
      }
    }
    std::string out;
    for (const CaptionToken& token : read.tokens) {
      if (!token.text.empty()) out += token.before + token.text;
    }
    return out + read.tail;
  }

 private:
  // Replaces a word, keeps its capital, and mends the article before it ("a lower" -> "an upper"). An empty text
  // removes the word together with the blank before it.
  void set_text(std::size_t i, std::string text) {
    CaptionToken& token = read.tokens[i];
    if (!text.empty() && std::isupper(static_cast<unsigned char>(token.text[0]))) {
      text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    }
    token.text = text;
    const std::string article = read.word(i, -1);
    if (text.empty() || (article != "a" && article != "an")) return;
    const bool vowel = std::string("aeiouAEIOU").find(text[0]) != std::string::npos;
    std::string& before = read.tokens[i - 1].text;
    before = before.substr(0, 1) + (vowel ? "n" : "");
  }

  static void swap_axis_word(CaptionToken& token) {
    const bool horizontal = token.word.starts_with("horizontal");
    const std::string ending = token.word.ends_with("ly") ? "ly" : "";
    std::string text = (horizontal ? "vertical" : "horizontal") + ending;
    if (token.text[0] != token.word[0]) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    token.text = text;
  }

  // Each stem takes the mapped direction of its own axis: "upper left" -> "lower left", "left bottom" -> "right
  // bottom".
  void write_in_place(const DirectionPhrase& phrase, Direction to) {
    for (std::size_t i = phrase.first; i <= phrase.last; ++i) {
      DirectionWord direction = *read.tokens[i].direction;
      for (Stem& stem : direction.stems) {
        if (stem.dx != 0) stem.dx = to.dx;
        if (stem.dy != 0) stem.dy = to.dy;
      }
      set_text(i, render_direction_word(direction));
    }
  }

  // One word whose axis changes.
  void write_single_swapped(std::size_t i, Direction to) {
    DirectionWord direction = *read.tokens[i].direction;
    Stem& stem = direction.stems[0];
    stem = {to.dx, to.dy, stem.style};
    const std::string next = read.word(i, 1);
    if (stem.style == StemStyle::compass || !direction.suffix.empty() || next == "hand") {
      if (direction.suffix.ends_with("hand")) direction.suffix.clear();  // "left-hand side" -> "top side"
      if (next == "hand") set_text(i + 1, "");
      set_text(i, render_direction_word(direction));
      return;
    }
    if (to.dy != 0) {
      if (next == "of" && !read.is_of_flat_place(i)) return write_side_as_relation(i, to);
      if (is_tier_region(next)) stem.style = StemStyle::tier;
    }
    const bool alone = ends_noun_phrase(next);
    set_text(i, render_direction_word(direction));
    if (!alone) return;
    // "at the top" <-> "on the left"
    const bool article = read.word(i, -1) == "the";
    if (i < (article ? 2u : 1u)) return;
    const std::size_t place = i - (article ? 2 : 1);
    const std::string& preposition = read.tokens[place].word;
    if (preposition != "on" && preposition != "at") return;
    set_text(place, to.dy != 0 ? "at" : "on");
    if (!article) set_text(i, "the " + read.tokens[i].text);
  }

  // "above the road" -> "on the left of the road", "the grass above" -> "the grass on the left"
  void write_relation_as_side(std::size_t i, Direction to) {
    std::string text = std::string("on the ") + (to.dx < 0 ? "left" : "right");
    if (is_determiner(read.word(i, 1))) text += " of";
    set_text(i, text);
  }

  // "on the left of the road" -> "above the road"; "houses left of the road" -> "houses above the road"
  void write_side_as_relation(std::size_t i, Direction to) {
    set_text(i + 1, "");
    const bool article = read.word(i, -1) == "the";
    const bool preposition = article && is_one_of(read.word(i, -2), {"on", "at", "to", "in"});
    const std::size_t first = i - (preposition ? 2 : 0);
    for (std::size_t at = first + 1; at <= i; ++at) set_text(at, "");
    set_text(first, to.dy < 0 ? "above" : "below");
  }
};

}  // namespace

DirectionMap direction_map(int quarter_turns, bool mirror) {
  DirectionMap map;
  for (int turn = 0; turn < quarter_turns; ++turn) {
    map = {map.yx, map.yy, -map.xx, -map.xy};  // (dx, dy) -> (dy, -dx): right becomes top
  }
  if (mirror) map = {-map.xx, -map.xy, map.yx, map.yy};
  return map;
}

Direction map_direction(Direction d, const DirectionMap& map) {
  return {map.xx * d.dx + map.xy * d.dy, map.yx * d.dx + map.yy * d.dy};
}

std::vector<Direction> find_directions(const std::string& caption) {
  std::vector<Direction> out;
  for (const DirectionPhrase& phrase : read_caption_directions(caption).phrases) out.push_back(phrase.direction);
  return out;
}

std::optional<std::string> rewrite_directions(const std::string& caption, const DirectionMap& map) {
  ReadCaption read = read_caption_directions(caption);
  const bool swapped = map.xx == 0;
  if (read.unsafe_horizontal && map.xx != 1) return std::nullopt;
  if (read.unsafe_vertical && map.yy != 1) return std::nullopt;
  if (read.unsafe_swap && swapped) return std::nullopt;
  return Writer{std::move(read), map}.write();
}

}  // namespace cp
