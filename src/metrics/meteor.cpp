#include "metrics/meteor.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "core/error.h"
#include "metrics/meteor_align.h"
#include "metrics/meteor_normalize.h"
#include "metrics/paraphrases.h"
#include "metrics/stemmer.h"
#include "metrics/synonyms.h"

namespace cp {
namespace {

constexpr double kAlpha = 0.85, kBeta = 0.2, kGamma = 0.6, kDelta = 0.75;  // METEOR 1.5, English, "rank" task
constexpr std::array<double, kMeteorStages> kWeights{1, 0.6, 0.8, 0.6};
constexpr std::array<const char*, kMeteorStages> kStageNames{"exact", "stem", "synonym", "paraphrase"};

// Sorted for binary search.
constexpr std::array<std::string_view, 93> kFunctionWords{
    "\"",   "$",     "'",    "'s",    "'t",    "(",      ")",      ",",      "-",     "--",    "-lrb-", "-rrb-",
    ".",    ":",     "?",    "a",     "about", "after",  "all",    "also",   "an",    "and",   "are",   "as",
    "at",   "be",    "been", "but",   "by",    "can",    "could",  "first",  "for",   "from",  "had",   "has",
    "have", "he",    "her",  "his",   "i",     "if",     "in",     "into",   "is",    "it",    "its",   "last",
    "more", "new",   "no",   "not",   "of",    "on",     "one",    "or",     "other", "out",   "over",  "people",
    "s",    "said",  "she",  "so",    "some",  "than",   "that",   "the",    "their", "there", "they",  "this",
    "time", "to",    "two",  "up",    "was",   "we",     "were",   "what",   "when",  "which", "who",   "will",
    "with", "would", "year", "years", "you",   "\u2014", "\u2019", "\u201c", "\u201d"};

double sum(const std::array<double, kMeteorStages>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double weighted(const std::array<double, kMeteorStages>& content, const std::array<double, kMeteorStages>& function) {
  double result = 0;
  for (std::size_t s = 0; s < kMeteorStages; ++s)
    result += kWeights[s] * (kDelta * content[s] + (1 - kDelta) * function[s]);
  return result;
}

}  // namespace

std::vector<MeteorStage> parse_meteor_stages(const std::string& list) {
  std::vector<MeteorStage> stages;
  std::size_t at = 0;
  const auto wrong = [&] {
    return UserError(
        ErrorKind::usage, "--meteor",
        fmt::format("wanted exact,stem,synonym,paraphrase in this order, exact always, found \"{}\".", list),
        "For instance: exact,stem,synonym.");
  };
  while (at <= list.size()) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string name = list.substr(at, comma - at);
    const auto found = std::find(kStageNames.begin(), kStageNames.end(), name);
    if (found == kStageNames.end()) throw wrong();
    const auto stage = static_cast<MeteorStage>(found - kStageNames.begin());
    if (!stages.empty() && stage <= stages.back()) throw wrong();
    stages.push_back(stage);
    at = comma + 1;
  }
  if (stages.front() != MeteorStage::exact) throw wrong();
  return stages;
}

std::string meteor_stages_text(const std::vector<MeteorStage>& stages) {
  std::string text;
  for (const MeteorStage stage : stages)
    text += (text.empty() ? "" : ",") + std::string(kStageNames[static_cast<std::size_t>(stage)]);
  return text;
}

std::vector<std::string> meteor_words(const MeteorOptions& options, const std::vector<std::string>& words) {
  return options.normalize ? meteor_normalize(words) : words;
}

bool is_function_word(std::string_view word) {
  return std::binary_search(kFunctionWords.begin(), kFunctionWords.end(), word);
}

double MeteorCounts::test_matches() const { return sum(test_content) + sum(test_function); }
double MeteorCounts::reference_matches() const { return sum(reference_content) + sum(reference_function); }

bool MeteorCounts::perfect() const {
  return test_matches() == test_length && reference_matches() == reference_length && chunks == 1;
}

void MeteorCounts::add(const MeteorCounts& other) {
  test_length += other.test_length;
  reference_length += other.reference_length;
  test_function_words += other.test_function_words;
  reference_function_words += other.reference_function_words;
  for (std::size_t s = 0; s < kMeteorStages; ++s) {
    test_content[s] += other.test_content[s];
    reference_content[s] += other.reference_content[s];
    test_function[s] += other.test_function[s];
    reference_function[s] += other.reference_function[s];
  }
  if (!other.perfect()) chunks += other.chunks;
}

double MeteorCounts::score() const {
  const double test_weight = weighted(test_content, test_function);
  const double reference_weight = weighted(reference_content, reference_function);
  if (test_weight == 0 || reference_weight == 0) return 0;
  const auto weighted_length = [](double length, double function_words) {
    return kDelta * (length - function_words) + (1 - kDelta) * function_words;
  };
  const double precision = test_weight / weighted_length(test_length, test_function_words);
  const double recall = reference_weight / weighted_length(reference_length, reference_function_words);
  const double mean = 1 / ((1 - kAlpha) / precision + kAlpha / recall);
  const double fragmentation = perfect() ? 0 : chunks / ((test_matches() + reference_matches()) / 2);
  return std::max(0.0, mean * (1 - kGamma * std::pow(fragmentation, kBeta)));
}

// What the stages know about each word, looked up once.
struct MeteorScorer::Lexicon {
  struct Word {
    bool is_function = false;
    int stem = 0;
    std::vector<int> synsets;       // ascending
    std::uint64_t synset_bits = 0;  // one of 64 bits for each, to rule most pairs out
    int phrase_word = ParaphraseTable::kUnknown;
  };

  std::vector<MeteorStage> stages;
  bool normalize;
  std::optional<EnglishStemmer> stemmer;
  std::optional<SynonymSets> synonyms;
  std::optional<ParaphraseTable> paraphrases;
  std::unordered_map<std::string, int> ids, stem_ids;
  std::vector<Word> words;

  explicit Lexicon(const MeteorOptions& options) : stages(options.stages), normalize(options.normalize) {
    CP_CHECK(!stages.empty() && stages.size() <= kMeteorStages, "one to four METEOR stages");
    if (has(MeteorStage::stem)) stemmer.emplace();
    if (has(MeteorStage::synonym)) synonyms.emplace(options.synonyms.empty() ? installed_wordnet() : options.synonyms);
    if (!has(MeteorStage::paraphrase)) return;
    if (options.paraphrases.empty())
      throw UserError(ErrorKind::usage, "--paraphrases", "is missing: the paraphrase stage needs METEOR's table.",
                      "Name paraphrase-en.gz, or leave the stage out.");
    paraphrases = ParaphraseTable::read(options.paraphrases, options.vocabulary);
  }

  bool has(MeteorStage stage) const { return std::find(stages.begin(), stages.end(), stage) != stages.end(); }

  int id(const std::string& word) {
    const auto [found, is_new] = ids.try_emplace(word, static_cast<int>(words.size()));
    if (is_new) words.push_back(look_up(word));
    return found->second;
  }

  std::vector<int> ids_of(const std::vector<std::string>& sentence) {
    std::vector<int> result;
    for (const std::string& word : normalize ? meteor_normalize(sentence) : sentence) result.push_back(id(word));
    return result;
  }

  const Word& word(int number) const { return words[static_cast<std::size_t>(number)]; }

  bool are_synonyms(const Word& a, const Word& b) const {
    if ((a.synset_bits & b.synset_bits) == 0) return false;
    auto i = a.synsets.begin(), j = b.synsets.begin();
    while (i != a.synsets.end() && j != b.synsets.end()) {
      if (*i == *j) return true;
      *i < *j ? ++i : ++j;
    }
    return false;
  }

  bool match(MeteorStage stage, int a, int b) const {
    if (stage == MeteorStage::exact) return a == b;
    if (a == b) return false;
    return stage == MeteorStage::stem ? word(a).stem == word(b).stem : are_synonyms(word(a), word(b));
  }

  // Ascending by reference word; of one word by stage.
  std::vector<MeteorMatch> matches(const std::vector<int>& test, const std::vector<int>& reference) const {
    std::vector<MeteorMatch> found;
    const std::size_t used = test == reference ? 1 : stages.size();  // METEOR looks no further at equal sentences
    for (std::size_t r = 0; r < reference.size(); ++r)
      for (std::size_t s = 0; s < used; ++s) {
        if (stages[s] == MeteorStage::paraphrase) continue;
        for (std::size_t t = 0; t < test.size(); ++t)
          if (match(stages[s], test[t], reference[r]))
            found.push_back(
                {static_cast<int>(r), 1, static_cast<int>(t), 1, static_cast<int>(s), stages[s] == MeteorStage::exact});
      }
    if (stages[used - 1] == MeteorStage::paraphrase) {
      add_paraphrases(test, reference, found);
      std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
    }
    return found;
  }

 private:
  Word look_up(const std::string& text) {
    Word word;
    word.is_function = is_function_word(text);
    if (stemmer) word.stem = stem_ids.try_emplace(stemmer->stem(text), static_cast<int>(stem_ids.size())).first->second;
    if (synonyms) word.synsets = synonyms->of(text);
    for (const int synset : word.synsets)
      word.synset_bits |= std::uint64_t{1} << (static_cast<std::uint64_t>(synset) * 0x9e3779b97f4a7c15u >> 58);
    if (paraphrases) word.phrase_word = paraphrases->number(text);
    return word;
  }

  std::vector<int> phrase_words(const std::vector<int>& sentence) const {
    std::vector<int> result;
    for (const int number : sentence) result.push_back(word(number).phrase_word);
    return result;
  }

  // Phrases of the reference with a paraphrase in the hypothesis, then the other way round.
  void add_paraphrases(const std::vector<int>& test_ids, const std::vector<int>& reference_ids,
                       std::vector<MeteorMatch>& found) const {
    const std::vector<int> test = phrase_words(test_ids), reference = phrase_words(reference_ids);
    const int stage = static_cast<int>(stages.size()) - 1;
    for (const bool forward : {true, false}) {
      const std::vector<int>& from = forward ? reference : test;
      const std::vector<int>& to = forward ? test : reference;
      for (std::size_t i = 0; i < from.size(); ++i)
        for (const ParaphraseTable::Entry& entry : paraphrases->at(from, i)) {
          const std::vector<int>& wanted = *entry.paraphrase;
          for (std::size_t j = 0; j + wanted.size() <= to.size(); ++j) {
            if (!std::equal(wanted.begin(), wanted.end(), to.begin() + static_cast<std::ptrdiff_t>(j))) continue;
            const int here = static_cast<int>(i), there = static_cast<int>(j), length = static_cast<int>(wanted.size());
            found.push_back(forward ? MeteorMatch{here, entry.length, there, length, stage, false}
                                    : MeteorMatch{there, length, here, entry.length, stage, false});
          }
        }
    }
  }
};

MeteorScorer::MeteorScorer(const MeteorOptions& options) : lexicon_(std::make_unique<Lexicon>(options)) {}
MeteorScorer::~MeteorScorer() = default;
MeteorScorer::MeteorScorer(MeteorScorer&&) noexcept = default;
MeteorScorer& MeteorScorer::operator=(MeteorScorer&&) noexcept = default;

MeteorCounts MeteorScorer::counts(const std::vector<std::string>& test, const std::vector<std::string>& reference) {
  return best(test, {reference});
}

MeteorCounts MeteorScorer::best(const std::vector<std::string>& test,
                                const std::vector<std::vector<std::string>>& references) {
  const std::vector<int> test_ids = lexicon_->ids_of(test);
  const auto function_words = [&](const std::vector<int>& ids) {
    return static_cast<double>(
        std::count_if(ids.begin(), ids.end(), [&](int id) { return lexicon_->word(id).is_function; }));
  };
  MeteorCounts best;
  double best_score = -1;
  for (const std::vector<std::string>& words : references) {
    const std::vector<int> reference = lexicon_->ids_of(words);
    MeteorCounts counts;
    counts.test_length = static_cast<double>(test_ids.size());
    counts.reference_length = static_cast<double>(reference.size());
    counts.test_function_words = function_words(test_ids);
    counts.reference_function_words = function_words(reference);
    const MeteorAlignment alignment = align_meteor(
        static_cast<int>(test_ids.size()), static_cast<int>(reference.size()), lexicon_->matches(test_ids, reference));
    counts.chunks = alignment.chunks;
    for (const MeteorMatch& match : alignment.matches) {
      const auto stage = static_cast<std::size_t>(match.stage);
      const auto count = [&](const std::vector<int>& ids, int start, int length, double& content, double& function) {
        for (int k = start; k < start + length; ++k)
          ++(lexicon_->word(ids[static_cast<std::size_t>(k)]).is_function ? function : content);
      };
      count(test_ids, match.test_start, match.test_length, counts.test_content[stage], counts.test_function[stage]);
      count(reference, match.start, match.length, counts.reference_content[stage], counts.reference_function[stage]);
    }
    if (const double score = counts.score(); score > best_score) best = counts, best_score = score;
  }
  return best;
}

}  // namespace cp
