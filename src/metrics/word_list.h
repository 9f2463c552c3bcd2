#pragma once
// In:  the text of a dictionary file and how it is cut into keys and values.
// Out: the values of a key.
// Not here: what the values mean (wordnet.h, synonyms.h).

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cp {

// Owns the text that its keys and values point into. A key may have more than one entry.
class WordList {
 public:
  using Entry = std::pair<std::string_view, std::string_view>;
  // Calls add(key, value), views into the text, for every entry.
  using Parse = std::function<void(std::string_view text, const std::function<void(Entry)>& add)>;

  WordList() = default;
  // `where` names the file in errors.
  WordList(std::string text, std::string where, const Parse& parse);

  std::span<const Entry> find(std::string_view key) const;
  bool contains(std::string_view key) const { return !find(key).empty(); }
  const std::string& where() const { return where_; }

 private:
  std::unique_ptr<const std::string> text_;  // does not move when the list does
  std::string where_;
  std::vector<Entry> entries_;  // by key
};

// The next line of `text`, without its end, is cut off; false at the end.
bool cut_line(std::string_view& text, std::string_view& line);
// The next word of `line` (between blanks) is cut off; empty at the end.
std::string_view cut_word(std::string_view& line);

// Throws UserError(data, where) when `word` is no number in this base or more than nine digits long.
int dictionary_number(std::string_view word, const std::string& where, int base = 10);

}  // namespace cp
