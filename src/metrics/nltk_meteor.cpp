#include "metrics/nltk_meteor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string_view>

#include "metrics/stemmer.h"

namespace cp {
namespace {

constexpr double kAlpha = 0.9, kBeta = 3, kGamma = 0.5;
constexpr std::ptrdiff_t kNone = -1;

struct Rule {
  std::string_view suffix, ending;
};

// Morphy's rules of detachment for nouns, verbs, adjectives, adverbs, as NLTK lists them.
const std::array<std::vector<Rule>, WordNet::kParts> kRules{
    std::vector<Rule>{{"s", ""},
                      {"ses", "s"},
                      {"ves", "f"},
                      {"xes", "x"},
                      {"zes", "z"},
                      {"ches", "ch"},
                      {"shes", "sh"},
                      {"men", "man"},
                      {"ies", "y"}},
    {{"s", ""}, {"ies", "y"}, {"es", "e"}, {"es", ""}, {"ed", "e"}, {"ed", ""}, {"ing", "e"}, {"ing", ""}},
    {{"er", ""}, {"est", ""}, {"er", "e"}, {"est", "e"}},
    {}};

// The word and, if WordNet lists it as irregular, its base forms, else what the rules make of it.
std::vector<std::string> forms(const WordNet& wordnet, std::size_t part, const std::string& word) {
  std::vector<std::string> result{word};
  for (const std::string_view base : wordnet.bases(part, word)) result.emplace_back(base);
  if (result.size() > 1) return result;
  for (const auto& [suffix, ending] : kRules[part])
    if (word.ends_with(suffix)) result.push_back(word.substr(0, word.size() - suffix.size()) + std::string(ending));
  return result;
}

// A word that is not matched yet.
struct Open {
  std::ptrdiff_t position;
  std::string word;
};

struct Matching {
  std::vector<Open> hypothesis, reference;
  std::vector<std::ptrdiff_t> partner;  // of each hypothesis word, in the reference

  // Hypothesis words from the last to the first take the last open reference word for which `fits` holds.
  void match(const std::function<bool(const std::string& hypothesis, const std::string& reference)>& fits) {
    for (auto h = hypothesis.size(); h-- > 0;)
      for (auto r = reference.size(); r-- > 0;) {
        if (!fits(hypothesis[h].word, reference[r].word)) continue;
        partner[static_cast<std::size_t>(hypothesis[h].position)] = reference[r].position;
        hypothesis.erase(hypothesis.begin() + static_cast<std::ptrdiff_t>(h));
        reference.erase(reference.begin() + static_cast<std::ptrdiff_t>(r));
        break;
      }
  }
};

std::vector<Open> all_open(const std::vector<std::string>& words) {
  std::vector<Open> result;
  for (const std::string& word : words) result.push_back({static_cast<std::ptrdiff_t>(result.size()), word});
  return result;
}

// Matched words that follow each other on both sides are one chunk.
int count_chunks(const std::vector<std::ptrdiff_t>& partner) {
  int chunks = 0;
  for (std::size_t h = 0; h < partner.size(); ++h) {
    if (partner[h] == kNone) continue;
    const bool goes_on = h > 0 && partner[h - 1] != kNone && partner[h] == partner[h - 1] + 1;
    chunks += !goes_on;
  }
  return chunks;
}

}  // namespace

NltkMeteor::NltkMeteor(const std::filesystem::path& wordnet)
    : wordnet_(wordnet.empty() ? installed_wordnet() : wordnet, true) {}

const std::string& NltkMeteor::stem(const std::string& word) {
  const auto [found, is_new] = stems_.try_emplace(word);
  if (is_new) found->second = nltk_porter_stem(word);
  return found->second;
}

// Lemmas of one word in all synsets of the word; the word itself.
const std::vector<std::string>& NltkMeteor::synonyms(const std::string& word) {
  const auto [found, is_new] = synonyms_.try_emplace(word);
  if (!is_new) return found->second;
  std::vector<std::string>& lemmas = found->second;
  lemmas.push_back(word);
  for (std::size_t part = 0; part < WordNet::kParts; ++part)
    for (const std::string& form : forms(wordnet_, part, word))
      for (const int synset : wordnet_.synsets(part, form))
        for (const std::string_view lemma : wordnet_.words(part, synset))
          if (lemma.find('_') == lemma.npos) lemmas.emplace_back(lemma);
  std::sort(lemmas.begin(), lemmas.end());
  lemmas.erase(std::unique(lemmas.begin(), lemmas.end()), lemmas.end());
  return lemmas;
}

double NltkMeteor::single(const std::vector<std::string>& reference, const std::vector<std::string>& hypothesis) {
  Matching m{all_open(hypothesis), all_open(reference), std::vector<std::ptrdiff_t>(hypothesis.size(), kNone)};
  const auto equal = [](const std::string& a, const std::string& b) { return a == b; };
  m.match(equal);
  for (auto* side : {&m.hypothesis, &m.reference})
    for (Open& open : *side) open.word = stem(open.word);  // and stems are what WordNet is asked for, as in NLTK
  m.match(equal);
  m.match([this](const std::string& a, const std::string& b) {
    const std::vector<std::string>& lemmas = synonyms(a);
    return std::binary_search(lemmas.begin(), lemmas.end(), b);
  });
  const auto matches = static_cast<double>(
      std::count_if(m.partner.begin(), m.partner.end(), [](std::ptrdiff_t p) { return p != kNone; }));
  if (matches == 0) return 0;
  const double precision = matches / static_cast<double>(hypothesis.size());
  const double recall = matches / static_cast<double>(reference.size());
  const double mean = precision * recall / (kAlpha * precision + (1 - kAlpha) * recall);
  return (1 - kGamma * std::pow(count_chunks(m.partner) / matches, kBeta)) * mean;
}

double NltkMeteor::score(const std::vector<std::vector<std::string>>& references,
                         const std::vector<std::string>& hypothesis) {
  double best = 0;
  for (const std::vector<std::string>& reference : references) best = std::max(best, single(reference, hypothesis));
  return best;
}

}  // namespace cp
