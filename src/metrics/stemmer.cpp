#include "metrics/stemmer.h"

#include <libstemmer.h>

#include "core/error.h"

namespace cp {

EnglishStemmer::EnglishStemmer() : stemmer_(sb_stemmer_new("english", "UTF_8")) {
  CP_CHECK(stemmer_ != nullptr, "libstemmer has no English stemmer");
}

void EnglishStemmer::Delete::operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }

std::string EnglishStemmer::stem(const std::string& word) const {
  const sb_symbol* found =
      sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size()));
  if (!found) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(found), static_cast<std::size_t>(sb_stemmer_length(stemmer_.get()))};
}

}  // namespace cp
