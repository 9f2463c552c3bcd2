#include "metrics/ngrams.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

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

// One order of a sentence against the same of another: sum of products of tf-idf weights, plain and clipped.
struct Dots {
  double plain = 0, clipped = 0;
};

Dots dots(const std::vector<NgramCount>& caption, const std::vector<NgramCount>& reference,
          const std::vector<double>& idf) {
  Dots result;
  auto c = caption.begin();
  auto r = reference.begin();
  while (c != caption.end() && r != reference.end()) {
    if (c->id != r->id) {
      c->id < r->id ? ++c : ++r;
      continue;
    }
    const double weight = idf[static_cast<std::size_t>(c->id)];
    result.clipped += std::min(c->count, r->count) * weight * r->count * weight;
    result.plain += c->count * weight * r->count * weight;
    ++c, ++r;
  }
  return result;
}

using Norms = std::array<double, kMaxOrder>;

Norms norms(const SentenceNgrams& sentence, const std::vector<double>& idf) {
  Norms result{};
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    for (const NgramCount& gram : sentence.by_order[n]) {
      const double weight = gram.count * idf[static_cast<std::size_t>(gram.id)];
      result[n] += weight * weight;
    }
    result[n] = std::sqrt(result[n]);
  }
  return result;
}

int bigrams(const SentenceNgrams& sentence) { return std::max(0, sentence.words - 1); }

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

void BleuCounts::add(const BleuCounts& other) {
  caption_words += other.caption_words;
  reference_words += other.reference_words;
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    correct[n] += other.correct[n];
    guessed[n] += other.guessed[n];
    at_least_one[n] += other.at_least_one[n];
  }
}

std::array<double, kMaxOrder> BleuCounts::coco() const {
  std::array<double, kMaxOrder> scores{};
  const double ratio = (caption_words + kTiny) / (reference_words + kSmall);
  const double brevity = ratio < 1 ? std::exp(1 - 1 / ratio) : 1;
  double product = 1;
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    product *= (correct[n] + kTiny) / (guessed[n] + kSmall);
    scores[n] = std::pow(product, 1.0 / static_cast<double>(n + 1)) * brevity;
  }
  return scores;
}

std::array<double, kMaxOrder> BleuCounts::nltk() const {
  std::array<double, kMaxOrder> scores{};
  if (correct[0] == 0) return scores;
  const double brevity = caption_words > reference_words ? 1 : std::exp(1 - reference_words / caption_words);
  double logarithms = 0;
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    logarithms += std::log(correct[n] > 0 ? correct[n] / at_least_one[n] : std::numeric_limits<double>::min());
    scores[n] = brevity * std::exp(logarithms / static_cast<double>(n + 1));
  }
  return scores;
}

BleuCounts bleu_counts(const SentenceNgrams& caption, const std::vector<SentenceNgrams>& references) {
  BleuCounts counts;
  counts.caption_words = caption.words;
  counts.reference_words = closest_length(caption.words, references);
  for (std::size_t n = 0; n < kMaxOrder; ++n) {
    counts.guessed[n] = std::max(0, caption.words - static_cast<int>(n));
    counts.at_least_one[n] = std::max(1.0, counts.guessed[n]);
    for (const NgramCount& gram : caption.by_order[n]) {
      int most = 0;
      for (const SentenceNgrams& r : references) most = std::max(most, count_of(r.by_order[n], gram.id));
      counts.correct[n] += std::min(most, gram.count);
    }
  }
  return counts;
}

CiderScores cider_each(const NgramCorpus& corpus) {
  const double pictures = static_cast<double>(corpus.captions.size());
  std::vector<double> idf;
  for (const int frequency : document_frequencies(corpus)) idf.push_back(std::log(pictures / std::max(1, frequency)));
  CiderScores scores;
  for (std::size_t i = 0; i < corpus.captions.size(); ++i) {
    const SentenceNgrams& caption = corpus.captions[i];
    const Norms caption_norms = norms(caption, idf);
    double d = 0, plain = 0;
    for (const SentenceNgrams& reference : corpus.references[i]) {
      const Norms reference_norms = norms(reference, idf);
      double clipped_sum = 0;
      for (std::size_t n = 0; n < kMaxOrder; ++n) {
        const double both = caption_norms[n] * reference_norms[n];
        if (both == 0) continue;
        const Dots dot = dots(caption.by_order[n], reference.by_order[n], idf);
        clipped_sum += dot.clipped / both;
        plain += dot.plain / both;
      }
      const double difference = bigrams(caption) - bigrams(reference);
      d += clipped_sum * std::exp(-difference * difference / (2 * kCiderSigma * kCiderSigma));
    }
    const double share = 10 / (static_cast<double>(kMaxOrder) * static_cast<double>(corpus.references[i].size()));
    scores.d.push_back(share * d);
    scores.plain.push_back(share * plain);
  }
  return scores;
}

}  // namespace cp
