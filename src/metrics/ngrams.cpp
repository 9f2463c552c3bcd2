#include "metrics/ngrams.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace cp {
namespace {

constexpr double kTiny = 1e-15, kSmall = 1e-9;  // the COCO scorer's, so that nothing is divided by zero
constexpr double kCiderSigma = 6;

int count_of(const std::vector<NgramCount>& sorted, int id) {
  const auto found =
      std::lower_bound(sorted.begin(), sorted.end(), id, [](const NgramCount& n, int wanted) { return n.id < wanted; });
  return found != sorted.end() && found->id == id ? found->count : 0;
}

int closest_length(int words, const std::vector<SentenceNgrams>& references) {
  int best = references.front().words;
  for (const SentenceNgrams& r : references) {
    const int distance = std::abs(r.words - words), best_distance = std::abs(best - words);
    if (distance < best_distance || (distance == best_distance && r.words < best)) best = r.words;
  }
  return best;
}

// In how many pictures' references each n-gram occurs.
std::vector<int> document_frequencies(const NgramCorpus& corpus) {
  std::vector<int> frequency(corpus.ngrams, 0), last_picture(corpus.ngrams, -1);
  for (std::size_t i = 0; i < corpus.references.size(); ++i)
    for (const SentenceNgrams& reference : corpus.references[i])
      for (const auto& order : reference.by_order)
        for (const NgramCount& n : order) {
          const auto id = static_cast<std::size_t>(n.id);
          if (last_picture[id] == static_cast<int>(i)) continue;
          last_picture[id] = static_cast<int>(i);
          ++frequency[id];
        }
  return frequency;
}

int bigrams(const SentenceNgrams& sentence) { return std::max(0, sentence.words - 1); }

double norm(const std::vector<NgramCount>& ngrams, const std::vector<double>& idf) {
  double sum = 0;
  for (const NgramCount& n : ngrams) {
    const double weight = n.count * idf[static_cast<std::size_t>(n.id)];
    sum += weight * weight;
  }
  return std::sqrt(sum);
}

// Mean over orders of the clipped cosine of two sentences, with the length penalty.
double cider_similarity(const SentenceNgrams& caption, const SentenceNgrams& reference,
                        const std::vector<double>& idf) {
  double sum = 0;
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    double dot = 0;
    for (const NgramCount& gram : caption.by_order[n]) {
      const double weight = idf[static_cast<std::size_t>(gram.id)];
      const int in_reference = count_of(reference.by_order[n], gram.id);
      dot += std::min(gram.count, in_reference) * weight * in_reference * weight;
    }
    const double norms = norm(caption.by_order[n], idf) * norm(reference.by_order[n], idf);
    sum += norms != 0 ? dot / norms : 0;
  }
  const double difference = bigrams(caption) - bigrams(reference);
  return sum / kMaxOrder * std::exp(-difference * difference / (2 * kCiderSigma * kCiderSigma));
}

}  // namespace

SentenceNgrams NgramTable::count(const WordIds& sentence) {
  SentenceNgrams result;
  result.words = static_cast<int>(sentence.size());
  std::array<std::vector<int>, kMaxOrder> found;
  for (std::size_t start = 0; start < sentence.size(); ++start) {
    std::uint64_t prefix = 0;
    for (std::size_t n = 0; n < kMaxOrder && start + n < sentence.size(); ++n) {
      const std::uint64_t key = prefix << 32 | static_cast<std::uint32_t>(sentence[start + n]);
      const int id = ids_.try_emplace(key, static_cast<int>(ids_.size())).first->second;
      found[n].push_back(id);
      prefix = static_cast<std::uint64_t>(id) + 1;
    }
  }
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    std::sort(found[n].begin(), found[n].end());
    for (const int id : found[n]) {
      auto& counts = result.by_order[n];
      if (counts.empty() || counts.back().id != id) counts.push_back({id, 0});
      ++counts.back().count;
    }
  }
  return result;
}

std::array<double, kMaxOrder> corpus_bleu(const NgramCorpus& corpus) {
  std::array<double, kMaxOrder> correct{}, guessed{}, scores{};
  double caption_words = 0, reference_words = 0;
  for (std::size_t i = 0; i < corpus.captions.size(); ++i) {
    const SentenceNgrams& caption = corpus.captions[i];
    caption_words += caption.words;
    reference_words += closest_length(caption.words, corpus.references[i]);
    for (std::size_t n = 0; n < kMaxOrder; ++n) {
      guessed[n] += std::max(0, caption.words - static_cast<int>(n));
      for (const NgramCount& gram : caption.by_order[n]) {
        int most = 0;
        for (const SentenceNgrams& r : corpus.references[i]) most = std::max(most, count_of(r.by_order[n], gram.id));
        correct[n] += std::min(most, gram.count);
      }
    }
  }
  const double ratio = (caption_words + kTiny) / (reference_words + kSmall);
  const double brevity = ratio < 1 ? std::exp(1 - 1 / ratio) : 1;
  double product = 1;
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    product *= (correct[n] + kTiny) / (guessed[n] + kSmall);
    scores[n] = std::pow(product, 1.0 / static_cast<double>(n + 1)) * brevity;
  }
  return scores;
}

double cider_d(const NgramCorpus& corpus) {
  const double pictures = static_cast<double>(corpus.captions.size());
  if (pictures == 0) return 0;
  std::vector<double> idf;
  for (const int frequency : document_frequencies(corpus)) idf.push_back(std::log(pictures / std::max(1, frequency)));
  double sum = 0;
  for (std::size_t i = 0; i < corpus.captions.size(); ++i) {
    double picture = 0;
    for (const SentenceNgrams& r : corpus.references[i]) picture += cider_similarity(corpus.captions[i], r, idf);
    sum += picture / static_cast<double>(corpus.references[i].size());
  }
  return 10 * sum / pictures;
}

}  // namespace cp
