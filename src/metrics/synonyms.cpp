#include "metrics/synonyms.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "core/file.h"

namespace cp {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kMaxFile = std::uint64_t{64} << 20;

// WordNet's rules of detachment, in METEOR's order.
constexpr std::array<std::pair<std::string_view, std::string_view>, 20> kSuffixes{
    {{"s", ""},    {"ses", "s"}, {"xes", "x"}, {"zes", "z"}, {"ches", "ch"}, {"shes", "sh"}, {"men", "man"},
     {"ies", "y"}, {"s", ""},    {"ies", "y"}, {"es", "e"},  {"es", ""},     {"ed", "e"},    {"ed", ""},
     {"ing", "e"}, {"ing", ""},  {"er", ""},   {"est", ""},  {"er", "e"},    {"est", "e"}}};

bool has_meteor_files(const fs::path& folder) {
  std::error_code none;
  return fs::exists(folder / "english.synsets", none);
}

// Two lines an entry.
template <class Add>
void line_pairs(std::string_view text, const Add& add) {
  std::string_view first, second;
  while (cut_line(text, first) && cut_line(text, second)) add(first, second);
}

// word, then its synsets
WordList read_synsets(const fs::path& file) {
  return WordList(read_file(file, kMaxFile, ErrorKind::data), file.string(),
                  [](std::string_view text, const auto& add) {
                    line_pairs(text, [&](auto key, auto value) { add({key, value}); });
                  });
}

// base, then its irregular forms; the list goes from form to base
WordList read_exceptions(const fs::path& file) {
  return WordList(read_file(file, kMaxFile, ErrorKind::data), file.string(),
                  [](std::string_view text, const auto& add) {
                    line_pairs(text, [&](std::string_view base, std::string_view forms) {
                      for (auto form = cut_word(forms); !form.empty(); form = cut_word(forms)) add({form, base});
                    });
                  });
}

}  // namespace

SynonymSets::SynonymSets(const fs::path& folder) {
  for (const fs::path& meteor : {folder, folder / "synonym"}) {
    if (!has_meteor_files(meteor)) continue;
    synsets_ = read_synsets(meteor / "english.synsets");
    exceptions_ = read_exceptions(meteor / "english.exceptions");
    return;
  }
  wordnet_.emplace(folder);
}

bool SynonymSets::known(std::string_view word) const {
  if (!wordnet_) return synsets_.contains(word);
  for (std::size_t p = 0; p < WordNet::kParts; ++p)
    if (wordnet_->has(p, word)) return true;
  return false;
}

void SynonymSets::add_synsets(std::string_view word, std::vector<int>& sets) const {
  if (wordnet_) {
    for (std::size_t p = 0; p < WordNet::kParts; ++p)
      for (const int synset : wordnet_->synsets(p, word)) sets.push_back(synset);
    return;
  }
  for (const auto& [key, value] : synsets_.find(word)) {
    std::string_view rest = value;
    for (auto number = cut_word(rest); !number.empty(); number = cut_word(rest))
      sets.push_back(dictionary_number(number, synsets_.where()));
  }
}

std::vector<std::string_view> SynonymSets::exceptions(std::string_view form) const {
  std::vector<std::string_view> bases;
  if (wordnet_) {
    for (std::size_t p = 0; p < WordNet::kParts; ++p)
      for (const std::string_view base : wordnet_->bases(p, form)) bases.push_back(base);
  } else {
    for (const auto& [key, base] : exceptions_.find(form)) bases.push_back(base);
  }
  return bases;
}

std::vector<int> SynonymSets::of(const std::string& word) const {
  std::vector<int> sets;
  add_synsets(word, sets);
  if (const auto bases = exceptions(word); !bases.empty()) {
    for (const std::string_view base : bases) add_synsets(base, sets);
  } else if (word.size() > 2 && !word.ends_with("ss")) {
    for (const auto& [suffix, ending] : kSuffixes) {
      if (!word.ends_with(suffix)) continue;
      const std::string base = word.substr(0, word.size() - suffix.size()) + std::string(ending);
      if (!known(base)) continue;
      add_synsets(base, sets);
      break;
    }
  }
  std::sort(sets.begin(), sets.end());
  sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
  return sets;
}

}  // namespace cp
