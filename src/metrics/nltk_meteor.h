#pragma once
// In:  sentences as lists of words, a WordNet with words.
// Out: METEOR of one hypothesis as NLTK's meteor_score computes it: another metric than METEOR 1.5 (meteor.h).
// Not here: a corpus score; NLTK has none, its users take the mean.

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "metrics/wordnet.h"

namespace cp {

// Greedy from the back: equal words, then equal stems (Porter's with NLTK's changes), then a WordNet lemma of the
// hypothesis word's stem that equals the reference word's stem. alpha 0.9, beta 3, gamma 0.5 (Lavie and Agarwal 2007).
class NltkMeteor {
 public:
  // WordNet's files, data.* included; empty: the installed one. Throws UserError(data).
  explicit NltkMeteor(const std::filesystem::path& wordnet = {});

  // Words in lower case. The best over the references, 0 without any.
  double score(const std::vector<std::vector<std::string>>& references, const std::vector<std::string>& hypothesis);

 private:
  double single(const std::vector<std::string>& reference, const std::vector<std::string>& hypothesis);
  const std::vector<std::string>& synonyms(const std::string& word);
  const std::string& stem(const std::string& word);

  WordNet wordnet_;
  std::unordered_map<std::string, std::vector<std::string>> synonyms_;
  std::unordered_map<std::string, std::string> stems_;
};

}  // namespace cp
