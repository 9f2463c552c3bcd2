#include "metrics/caption.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "core/error.h"
#include "metrics/meteor.h"
#include "metrics/ngrams.h"

namespace cp {
namespace {

constexpr double kRougeBeta = 1.2;

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Gives words their ids; knows which are function words.
class Words {
 public:
  WordIds ids(const std::string& sentence) {
    WordIds result;
    std::size_t at = 0;
    while (at < sentence.size()) {
      if (is_blank(sentence[at])) {
        ++at;
        continue;
      }
      std::string word;
      for (; at < sentence.size() && !is_blank(sentence[at]); ++at)
        word += sentence[at] >= 'A' && sentence[at] <= 'Z' ? static_cast<char>(sentence[at] - 'A' + 'a') : sentence[at];
      if (word != "." && word != ",") result.push_back(id(word));
    }
    return result;
  }
  const std::vector<bool>& is_function() const { return is_function_; }

 private:
  int id(const std::string& word) {
    const auto [found, is_new] = ids_.try_emplace(word, static_cast<int>(ids_.size()));
    if (is_new) is_function_.push_back(is_function_word(word));
    return found->second;
  }

  std::unordered_map<std::string, int> ids_;
  std::vector<bool> is_function_;
};

// Length of the longest common subsequence.
int common_subsequence(const WordIds& a, const WordIds& b) {
  std::vector<int> row(b.size() + 1, 0);
  for (const int word : a) {
    int diagonal = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const int above = row[j + 1];
      row[j + 1] = word == b[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  return row.back();
}

// Best precision and best recall over the references, as the COCO scorer. There an empty sentence is one empty word.
double rouge_l(const WordIds& caption, const std::vector<WordIds>& references) {
  const auto length = [](const WordIds& words) { return static_cast<double>(std::max<std::size_t>(1, words.size())); };
  double precision = 0, recall = 0;
  for (const WordIds& reference : references) {
    const bool both_empty = caption.empty() && reference.empty();
    const double common = both_empty ? 1 : common_subsequence(caption, reference);
    precision = std::max(precision, common / length(caption));
    recall = std::max(recall, common / length(reference));
  }
  if (precision == 0 || recall == 0) return 0;
  const double b2 = kRougeBeta * kRougeBeta;
  return (1 + b2) * precision * recall / (recall + b2 * precision);
}

}  // namespace

CaptionScores score_captions(const std::vector<std::vector<std::string>>& references,
                             const std::vector<std::string>& captions) {
  CP_CHECK(references.size() == captions.size(),
           fmt::format("{} lists of references for {} captions", references.size(), captions.size()));
  CaptionScores scores;
  if (captions.empty()) return scores;
  Words words;
  NgramTable table;
  NgramCorpus corpus;
  MeteorCounts meteor;
  double rouge = 0;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    CP_CHECK(!references[i].empty(), fmt::format("caption {} has no reference", i));
    const WordIds caption = words.ids(captions[i]);
    std::vector<WordIds> reference_ids;
    std::vector<SentenceNgrams> reference_ngrams;
    for (const std::string& reference : references[i]) {
      reference_ids.push_back(words.ids(reference));
      reference_ngrams.push_back(table.count(reference_ids.back()));
    }
    corpus.captions.push_back(table.count(caption));
    corpus.references.push_back(std::move(reference_ngrams));
    rouge += rouge_l(caption, reference_ids);
    meteor.add(best_meteor_counts(caption, reference_ids, words.is_function()));
  }
  corpus.ngrams = table.size();
  scores.bleu = corpus_bleu(corpus);
  scores.cider = cider_d(corpus);
  scores.rouge_l = rouge / static_cast<double>(captions.size());
  scores.meteor = meteor.score();
  return scores;
}

}  // namespace cp
