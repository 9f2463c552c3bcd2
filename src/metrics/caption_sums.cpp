#include "metrics/caption_sums.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include <fmt/format.h>

#include "core/error.h"

namespace cp {
namespace {

constexpr double kRougeBeta = 1.2;

class WordNumbers {
 public:
  WordIds of(const CaptionWords& words) {
    WordIds result;
    for (const std::string& word : words)
      result.push_back(ids_.try_emplace(word, static_cast<int>(ids_.size())).first->second);
    return result;
  }

 private:
  std::unordered_map<std::string, int> ids_;
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

void check_sizes(std::size_t references, std::size_t captions) {
  CP_CHECK(references == captions, fmt::format("{} lists of references for {} captions", references, captions));
}

}  // namespace

CaptionSums sum_captions(const std::vector<std::vector<CaptionWords>>& references,
                         const std::vector<CaptionWords>& captions, MeteorScorer& meteor) {
  check_sizes(references.size(), captions.size());
  CaptionSums sums;
  sums.images.resize(captions.size());
  WordNumbers numbers;
  NgramTable table;
  NgramCorpus corpus;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    CP_CHECK(!references[i].empty(), fmt::format("caption {} has no reference", i));
    const WordIds caption = numbers.of(captions[i]);
    std::vector<WordIds> reference_ids;
    std::vector<SentenceNgrams> reference_ngrams;
    for (const CaptionWords& reference : references[i]) {
      reference_ids.push_back(numbers.of(reference));
      reference_ngrams.push_back(table.count(reference_ids.back()));
    }
    corpus.captions.push_back(table.count(caption));
    corpus.references.push_back(std::move(reference_ngrams));
    ImageSums& image = sums.images[i];
    image.bleu = bleu_counts(corpus.captions.back(), corpus.references.back());
    image.rouge_l = rouge_l(caption, reference_ids);
    image.meteor = meteor.best(captions[i], references[i]);
  }
  corpus.ngrams = table.size();
  const CiderScores cider = cider_each(corpus);
  for (std::size_t i = 0; i < captions.size(); ++i) {
    sums.images[i].cider = cider.d[i];
    sums.images[i].cider_plain = cider.plain[i];
  }
  return sums;
}

void require_exact_for_char(CaptionProtocol protocol, const MeteorOptions& meteor) {
  if (protocol != CaptionProtocol::char_ || (meteor.stages.size() == 1 && !meteor.normalize)) return;
  throw UserError(
      ErrorKind::usage, "--meteor",
      fmt::format("the protocol \"{}\" has exact matches only, found \"{}\"{}.", caption_protocol_name(protocol),
                  meteor_stages_text(meteor.stages), meteor.normalize ? ", normalised" : ""),
      "Use --meteor exact, or --protocol text.");
}

CaptionSums sum_captions(const std::vector<std::vector<std::string>>& references,
                         const std::vector<std::string>& captions, const CaptionSplitter& splitter,
                         MeteorOptions meteor) {
  check_sizes(references.size(), captions.size());
  require_exact_for_char(splitter.protocol(), meteor);
  std::vector<std::vector<CaptionWords>> reference_words(references.size());
  std::vector<CaptionWords> caption_words;
  std::unordered_set<std::string> vocabulary;
  const auto split = [&](const std::string& sentence) {
    CaptionWords words = splitter.words(sentence);
    const CaptionWords aligned = meteor_words(meteor, words);
    vocabulary.insert(aligned.begin(), aligned.end());
    return words;
  };
  for (const std::string& caption : captions) caption_words.push_back(split(caption));
  for (std::size_t i = 0; i < references.size(); ++i)
    for (const std::string& reference : references[i]) reference_words[i].push_back(split(reference));
  meteor.vocabulary.assign(vocabulary.begin(), vocabulary.end());
  MeteorScorer scorer(meteor);
  return sum_captions(reference_words, caption_words, scorer);
}

CaptionScores total(const CaptionSums& sums, std::span<const std::size_t> picks) {
  CaptionScores scores;
  if (picks.empty()) return scores;
  BleuCounts bleu;
  MeteorCounts meteor;
  for (const std::size_t pick : picks) {
    CP_CHECK(pick < sums.images.size(), fmt::format("image {} of {}", pick, sums.images.size()));
    const ImageSums& image = sums.images[pick];
    bleu.add(image.bleu);
    meteor.add(image.meteor);
    scores.rouge_l += image.rouge_l;
    scores.cider += image.cider;
    scores.cider_plain += image.cider_plain;
  }
  const auto n = static_cast<double>(picks.size());
  scores.bleu = bleu.coco();
  scores.meteor = meteor.score();
  scores.rouge_l /= n;
  scores.cider /= n;
  scores.cider_plain /= n;
  return scores;
}

CaptionScores total(const CaptionSums& sums) {
  std::vector<std::size_t> all(sums.images.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return total(sums, all);
}

std::array<double, kMaxOrder> nltk_bleu(const CaptionSums& sums) {
  BleuCounts bleu;
  for (const ImageSums& image : sums.images) bleu.add(image.bleu);
  return bleu.nltk();
}

}  // namespace cp
