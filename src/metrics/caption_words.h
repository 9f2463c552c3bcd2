#pragma once
// In:  captions as text, a protocol, for `ids` a closed vocabulary.
// Out: the words that are scored.
// Not here: the scores (caption_sums.h), sub-word tokens (text/).

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace cp {

// text:  lower-cased (ASCII), split at white space; full stops and commas that stand alone are dropped.
// ids:   the same words as numbers of a closed vocabulary, written as text; every other word is one unknown number, in
//        references too. No word is a function word then. What most LEVIR-CC repositories score.
// char_: Chinese: each CJK character is a word; other letters and digits stay together, lower-cased; punctuation and
//        blanks are dropped.
enum class CaptionProtocol { text, ids, char_ };

// "text", "ids" or "char". Throws UserError(usage).
CaptionProtocol parse_caption_protocol(const std::string& name);
std::string caption_protocol_name(CaptionProtocol protocol);

// Words and their numbers. Where a file does not say otherwise numbers 0 to 3 stand for nothing, unknown, start and
// end. Which number a word has matters to METEOR's paraphrase stage alone: its table takes some numbers for others.
class CaptionVocabulary {
 public:
  static constexpr int kUnknown = 1, kFirst = 4;

  CaptionVocabulary() = default;
  explicit CaptionVocabulary(const std::vector<std::string>& words);
  // With the numbers given; "<unk>", "<UNK>" or "UNK" is the number of every other word.
  static CaptionVocabulary numbered(std::unordered_map<std::string, int> numbers);
  // Words (text protocol) seen more than `seen_more_than` times in all the sentences together.
  static CaptionVocabulary count(const std::vector<std::string>& sentences, int seen_more_than = 5);

  int number(const std::string& word) const;
  std::size_t size() const { return numbers_.size(); }

 private:
  std::unordered_map<std::string, int> numbers_;
  int unknown_ = kUnknown;
};

// A caption file in LEVIR-CC layout (words are counted over all of its splits), a JSON list of words, a JSON object
// {word: number} (those numbers are used), or text with one word a line. Throws UserError(data).
CaptionVocabulary read_caption_vocabulary(const std::filesystem::path& file);

class CaptionSplitter {
 public:
  explicit CaptionSplitter(CaptionProtocol protocol = CaptionProtocol::text, CaptionVocabulary vocabulary = {});

  std::vector<std::string> words(const std::string& sentence) const;
  CaptionProtocol protocol() const { return protocol_; }

 private:
  CaptionProtocol protocol_;
  CaptionVocabulary vocabulary_;
};

}  // namespace cp
