#pragma once
// In:  sentences as lists of words.
// Out: METEOR 1.5 for English: counts of each sentence against its best reference, and the score of their sums.
// Not here: how words are aligned (meteor_align.h), word lists (synonyms.h, paraphrases.h), NLTK's METEOR
// (nltk_meteor.h).

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cp {

enum class MeteorStage { exact, stem, synonym, paraphrase };
inline constexpr std::size_t kMeteorStages = 4;

// "exact,stem,synonym,paraphrase" or fewer of them, in this order and with exact. Throws UserError(usage).
std::vector<MeteorStage> parse_meteor_stages(const std::string& list);
std::string meteor_stages_text(const std::vector<MeteorStage>& stages);

struct MeteorOptions {
  std::vector<MeteorStage> stages{MeteorStage::exact};
  std::filesystem::path synonyms;       // WordNet's or METEOR's folder (synonyms.h); empty: the installed WordNet
  std::filesystem::path paraphrases;    // METEOR's table, gzip or plain (paraphrases.h)
  bool normalize = false;               // as the program's -norm (meteor_normalize.h); pycocoevalcap runs it so
  std::vector<std::string> vocabulary;  // paraphrases of other words are not loaded; empty: all are (5 million)
};

// The words that METEOR aligns, with or without normalisation.
std::vector<std::string> meteor_words(const MeteorOptions& options, const std::vector<std::string>& words);

// True for the English words (and signs) that METEOR 1.5 weighs 1 - delta instead of delta. `word` in lower case.
bool is_function_word(std::string_view word);

// Counts of one hypothesis against its best reference; METEOR adds these up over a corpus and scores the sums. A match
// may join phrases of unequal length, so both sides are counted. Stages by their place in the list of stages.
struct MeteorCounts {
  double test_length = 0, reference_length = 0;                  // words
  double test_function_words = 0, reference_function_words = 0;  // of these, function words
  std::array<double, kMeteorStages> test_content{}, reference_content{}, test_function{}, reference_function{};
  double chunks = 0;  // runs that are contiguous and in order on both sides

  double test_matches() const;
  double reference_matches() const;
  // Every word matched, in one run: METEOR takes no fragmentation penalty and leaves the chunk out of corpus sums.
  bool perfect() const;
  void add(const MeteorCounts& other);
  // Denkowski and Lavie (WMT 2014), section 2, with alpha 0.85, beta 0.2, gamma 0.6, delta 0.75: 0 to 1. The first to
  // fourth stage of the list weigh 1, 0.6, 0.8, 0.6, whatever they are called, as in the METEOR program.
  double score() const;
};

class MeteorScorer {
 public:
  // Reads the word lists that the stages need. Throws UserError(data).
  explicit MeteorScorer(const MeteorOptions& options = {});
  ~MeteorScorer();
  MeteorScorer(MeteorScorer&&) noexcept;
  MeteorScorer& operator=(MeteorScorer&&) noexcept;

  // Words in lower case. Remembers what it looked up about each word, so use one object a corpus; not for two threads
  // at once.
  MeteorCounts counts(const std::vector<std::string>& test, const std::vector<std::string>& reference);
  // The reference with the highest score, the first of equals. No references gives zeros.
  MeteorCounts best(const std::vector<std::string>& test, const std::vector<std::vector<std::string>>& references);

  static double score(const MeteorCounts& sums) { return sums.score(); }

 private:
  struct Lexicon;
  std::unique_ptr<Lexicon> lexicon_;
};

}  // namespace cp
