#include "metrics/meteor.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cp {
namespace {

constexpr double kAlpha = 0.85, kBeta = 0.2, kGamma = 0.6, kDelta = 0.75;  // METEOR 1.5, English, "rank" task
constexpr std::size_t kBeamSize = 40;  // METEOR's own; a narrower one finds more chunks
constexpr int kNone = -1;

// Sorted for binary search.
constexpr std::array<std::string_view, 74> kFunctionWords{
    "a",    "about", "after", "all",   "also", "an",     "and",  "are",   "as",   "at",  "be",   "been", "but",
    "by",   "can",   "could", "first", "for",  "from",   "had",  "has",   "have", "he",  "her",  "his",  "i",
    "if",   "in",    "into",  "is",    "it",   "its",    "last", "more",  "new",  "no",  "not",  "of",   "on",
    "one",  "or",    "other", "out",   "over", "people", "s",    "said",  "she",  "so",  "some", "than", "that",
    "the",  "their", "there", "they",  "this", "time",   "to",   "two",   "up",   "was", "we",   "were", "what",
    "when", "which", "who",   "will",  "with", "would",  "year", "years", "you"};

// A way to match the reference's words so far to words of the hypothesis.
struct Path {
  std::vector<bool> used;  // words of the hypothesis that are taken
  int matches = 0;
  int chunks = 0;        // closed ones
  int distance = 0;      // sum of |position - position|, breaks ties only
  int previous = kNone;  // hypothesis position matched to the previous reference word

  void match(int test_position) {
    ++matches;
    if (previous != kNone && test_position != previous + 1) ++chunks;
    previous = test_position;
  }
  void skip() {
    if (previous != kNone) ++chunks;
    previous = kNone;
  }
};

bool better(const Path& a, const Path& b) {
  if (a.matches != b.matches) return a.matches > b.matches;
  if (a.chunks != b.chunks) return a.chunks < b.chunks;
  return a.distance < b.distance;
}

// The matching with most matches and then fewest chunks, by METEOR's beam search: left to right over the reference, the
// best 40 paths kept. A word that occurs once on both sides is matched in every path.
Path align(const WordIds& test, const WordIds& reference) {
  std::vector<Path> paths(1);
  paths[0].used.resize(test.size());
  std::vector<std::vector<int>> candidates(reference.size());
  std::vector<bool> certain(reference.size());
  for (std::size_t r = 0; r < reference.size(); ++r) {
    for (std::size_t t = 0; t < test.size(); ++t)
      if (test[t] == reference[r]) candidates[r].push_back(static_cast<int>(t));
    certain[r] = candidates[r].size() == 1 && std::count(reference.begin(), reference.end(), reference[r]) == 1;
  }
  for (std::size_t r = 0; r < reference.size(); ++r) {
    const int position = static_cast<int>(r);
    std::stable_sort(paths.begin(), paths.end(), better);
    if (paths.size() > kBeamSize) paths.resize(kBeamSize);
    std::vector<Path> next;
    for (Path& path : paths) {
      if (certain[r]) {
        path.match(candidates[r][0]);
        path.distance += std::abs(position - candidates[r][0]);
        next.push_back(std::move(path));
        continue;
      }
      int skipped_distance = 0;
      for (const int t : candidates[r]) {
        if (path.used[static_cast<std::size_t>(t)]) continue;
        Path taken = path;
        taken.used[static_cast<std::size_t>(t)] = true;
        taken.match(t);
        // METEOR charges the distance of each choice to the paths that come after it in the queue, not to the choice
        // itself. It decides between equals only, and is kept so that the beam keeps the same paths.
        taken.distance += skipped_distance;
        skipped_distance += std::abs(position - t);
        next.push_back(std::move(taken));
      }
      path.skip();
      path.distance += skipped_distance;
      next.push_back(std::move(path));
    }
    paths = std::move(next);
  }
  // The last choice is made among the kept paths with their last chunk closed.
  std::stable_sort(paths.begin(), paths.end(), better);
  if (paths.size() > kBeamSize) paths.resize(kBeamSize);
  for (Path& path : paths) path.skip();
  return *std::min_element(paths.begin(), paths.end(), better);
}

double count_function_words(const WordIds& words, const std::vector<bool>& is_function) {
  return static_cast<double>(
      std::count_if(words.begin(), words.end(), [&](int w) { return is_function[static_cast<std::size_t>(w)]; }));
}

}  // namespace

bool is_function_word(std::string_view word) {
  return std::binary_search(kFunctionWords.begin(), kFunctionWords.end(), word);
}

void MeteorCounts::add(const MeteorCounts& other) {
  test_length += other.test_length;
  reference_length += other.reference_length;
  test_function_words += other.test_function_words;
  reference_function_words += other.reference_function_words;
  content_matches += other.content_matches;
  function_matches += other.function_matches;
  if (!other.perfect()) chunks += other.chunks;
}

double MeteorCounts::score() const {
  const double weighted_matches = kDelta * content_matches + (1 - kDelta) * function_matches;
  if (weighted_matches == 0) return 0;
  const auto weighted = [](double length, double function_words) {
    return kDelta * (length - function_words) + (1 - kDelta) * function_words;
  };
  const double precision = weighted_matches / weighted(test_length, test_function_words);
  const double recall = weighted_matches / weighted(reference_length, reference_function_words);
  const double mean = 1 / ((1 - kAlpha) / precision + kAlpha / recall);
  const double fragmentation = perfect() ? 0 : chunks / matches();
  return std::max(0.0, mean * (1 - kGamma * std::pow(fragmentation, kBeta)));
}

MeteorCounts meteor_counts(const WordIds& test, const WordIds& reference, const std::vector<bool>& is_function) {
  MeteorCounts counts;
  counts.test_length = static_cast<double>(test.size());
  counts.reference_length = static_cast<double>(reference.size());
  counts.test_function_words = count_function_words(test, is_function);
  counts.reference_function_words = count_function_words(reference, is_function);
  const Path path = align(test, reference);
  counts.chunks = path.chunks;
  // Which words are matched does not depend on the path beyond their number: every match joins equal words.
  std::vector<bool> used(test.size());
  for (const int word : reference)
    for (std::size_t t = 0; t < test.size(); ++t)
      if (!used[t] && test[t] == word) {
        used[t] = true;
        ++(is_function[static_cast<std::size_t>(word)] ? counts.function_matches : counts.content_matches);
        break;
      }
  return counts;
}

MeteorCounts best_meteor_counts(const WordIds& test, const std::vector<WordIds>& references,
                                const std::vector<bool>& is_function) {
  MeteorCounts best;
  double best_score = -1;
  for (const WordIds& reference : references) {
    const MeteorCounts counts = meteor_counts(test, reference, is_function);
    if (const double score = counts.score(); score > best_score) best = counts, best_score = score;
  }
  return best;
}

}  // namespace cp
