#pragma once
// In:  METEOR's synonym files, or a WordNet database.
// Out: the synsets by which METEOR 1.5 decides whether two words are synonyms.
// Not here: reading WordNet (wordnet.h), the alignment.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "metrics/word_list.h"
#include "metrics/wordnet.h"

namespace cp {

// METEOR numbers a synset by its offset alone, so that a noun's and a verb's synset of equal offset are one to it; that
// is kept. METEOR's own files hold the offsets of WordNet 3.0; Debian's WordNet has others, where a few entries were
// mended, so that a chance pair may differ.
class SynonymSets {
 public:
  // `folder` holds METEOR's english.synsets and english.exceptions (or a folder "synonym" with them), or WordNet's
  // files. Throws UserError(data).
  explicit SynonymSets(const std::filesystem::path& folder);

  // Synsets of the word and of its base forms (METEOR's: the exceptions, else the first suffix rule that gives a known
  // word), ascending, each once. Two words are synonyms when they share one.
  std::vector<int> of(const std::string& word) const;

 private:
  void add_synsets(std::string_view word, std::vector<int>& sets) const;
  bool known(std::string_view word) const;
  std::vector<std::string_view> exceptions(std::string_view form) const;

  std::optional<WordNet> wordnet_;
  WordList synsets_, exceptions_;  // METEOR's files
};

}  // namespace cp
