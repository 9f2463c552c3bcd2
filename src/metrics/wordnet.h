#pragma once
// In:  the folder of a WordNet database (Debian: wordnet-base), as wndb(5) describes its files.
// Out: numbers of the synsets of a word, base forms, words of a synset.
// Not here: which words METEOR takes for synonyms (synonyms.h), which NLTK does (nltk_meteor.h).

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/word_list.h"

namespace cp {

// $WNSEARCHDIR, else /usr/share/wordnet. Throws UserError(data) when there is no WordNet.
std::filesystem::path installed_wordnet();

class WordNet {
 public:
  static constexpr std::size_t kParts = 4;  // of speech: noun, verb, adjective, adverb

  // Reads index.* and *.exc; `with_words` also data.*, for words(). Throws UserError(data).
  explicit WordNet(const std::filesystem::path& folder, bool with_words = false);
  static bool is_in(const std::filesystem::path& folder);

  bool has(std::size_t part, std::string_view lemma) const { return index_[part].contains(lemma); }
  // Offsets in data.PART of the synsets of a lemma (lower case, '_' for blanks).
  std::vector<int> synsets(std::size_t part, std::string_view lemma) const;
  // Base forms of an irregular form.
  std::vector<std::string_view> bases(std::size_t part, std::string_view form) const;
  // Lemmas as written ("Earth", "hot_dog"), adjectives without their syntactic marker.
  std::vector<std::string_view> words(std::size_t part, int synset) const;

 private:
  std::array<WordList, kParts> index_, bases_;
  std::array<std::string, kParts> data_, data_where_;
};

}  // namespace cp
