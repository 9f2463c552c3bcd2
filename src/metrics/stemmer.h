#pragma once
// In:  a word in lower case.
// Out: its stem.
// Not here: base forms by dictionary (synonyms.h, wordnet.h).

#include <memory>
#include <string>

struct sb_stemmer;

namespace cp {

// Snowball's English stemmer ("Porter 2"), by libstemmer: METEOR's.
class EnglishStemmer {
 public:
  EnglishStemmer();
  std::string stem(const std::string& word) const;

 private:
  struct Delete {
    void operator()(sb_stemmer* stemmer) const;
  };
  std::unique_ptr<sb_stemmer, Delete> stemmer_;
};

// Porter's stemmer of 1980 with the changes that NLTK makes by default (its irregular words, short words left alone,
// -ies and -ied, -y after consonants, -alli, -fulli, -logi): NLTK's METEOR uses it.
std::string nltk_porter_stem(std::string word);

}  // namespace cp
