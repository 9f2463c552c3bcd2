#pragma once
// In:  an English caption.
// Out: its words, the phrases among them that name a direction, and whether any word may name one without being clear.
// Not here: rewriting (directions.h).

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/direction_words.h"
#include "data/directions.h"

namespace cp {

struct CaptionToken {
  std::string before;  // blanks and punctuation between the previous word and this one
  std::string text;    // as written
  std::string word;    // lower case
  std::optional<DirectionWord> direction;
};

// Adjacent direction words that make one direction.
struct DirectionPhrase {
  std::size_t first = 0, last = 0;  // tokens, inclusive
  Direction direction;
  bool relation = false;  // "above", "below"
};

struct ReadCaption {
  std::vector<CaptionToken> tokens;
  std::string tail;  // what stands behind the last word
  std::vector<DirectionPhrase> phrases;
  std::vector<std::size_t> axis_words;  // "horizontal", "vertical", "horizontally", "vertically"
  // The caption may mean something that changes when left and right change, when top and bottom change, when the axes
  // swap.
  bool unsafe_horizontal = false, unsafe_vertical = false, unsafe_swap = false;

  // Lower-case word at `token` + `offset`, "" beyond the ends or behind punctuation.
  std::string word(std::size_t token, int offset) const;
  // `token` is followed by "of the scene" or another flat place, of which top and bottom are places of the image.
  bool is_of_flat_place(std::size_t token) const;
};

ReadCaption read_caption_directions(const std::string& caption);

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> list);
bool is_region_word(const std::string& word);  // what a direction adjective divides: "side", "corner", "half" ...
bool is_determiner(const std::string& word);
bool ends_noun_phrase(const std::string& word);  // verbs, prepositions, determiners, ""

}  // namespace cp
