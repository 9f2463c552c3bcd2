#include "metrics/word_list.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

bool by_key(const WordList::Entry& a, const WordList::Entry& b) { return a.first < b.first; }

}  // namespace

WordList::WordList(std::string text, std::string where, const Parse& parse)
    : text_(std::make_unique<const std::string>(std::move(text))), where_(std::move(where)) {
  parse(*text_, [&](Entry entry) { entries_.push_back(entry); });
  if (!std::is_sorted(entries_.begin(), entries_.end(), by_key))  // most dictionaries are
    std::stable_sort(entries_.begin(), entries_.end(), by_key);
}

std::span<const WordList::Entry> WordList::find(std::string_view key) const {
  const auto [first, last] = std::equal_range(entries_.begin(), entries_.end(), Entry{key, {}}, by_key);
  return {first, last};
}

bool cut_line(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const std::size_t end = std::min(text.find('\n'), text.size());
  line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

std::string_view cut_word(std::string_view& line) {
  const std::size_t start = std::min(line.find_first_not_of(kBlanks), line.size());
  const std::size_t end = std::min(line.find_first_of(kBlanks, start), line.size());
  const std::string_view word = line.substr(start, end - start);
  line.remove_prefix(end);
  return word;
}

int dictionary_number(std::string_view word, const std::string& where, int base) {
  int value = 0;
  const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (fault != std::errc{} || end != word.data() + word.size() || word.size() > 9 || value < 0)
    throw UserError(ErrorKind::data, where, fmt::format("wanted a number, found \"{}\".", word.substr(0, 40)),
                    "The file is damaged or of another kind.");
  return value;
}

}  // namespace cp
