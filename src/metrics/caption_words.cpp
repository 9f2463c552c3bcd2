#include "metrics/caption_words.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/options.h"
#include "data/levir.h"
#include "text/unicode.h"

namespace cp {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{256} << 20;

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::vector<std::string> split_text(const std::string& sentence) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < sentence.size()) {
    if (is_blank(sentence[at])) {
      ++at;
      continue;
    }
    std::string word;
    for (; at < sentence.size() && !is_blank(sentence[at]); ++at) word += lower(sentence[at]);
    if (word != "." && word != ",") words.push_back(std::move(word));
  }
  return words;
}

// Han, kana, Hangul syllables.
bool is_cjk(char32_t c) {
  return (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0x20000 && c <= 0x323af) || (c >= 0x3041 && c <= 0x30ff && is_letter(c)) ||
         (c >= 0xac00 && c <= 0xd7a3) || c == 0x3007;
}

std::vector<std::string> split_characters(const std::string& sentence) {
  std::vector<std::string> words;
  bool joins = false;  // the next letter goes on with the last word
  for (std::size_t at = 0; at < sentence.size();) {
    const std::size_t start = at;
    const char32_t c = next_code_point(sentence, at);
    std::string piece = sentence.substr(start, at - start);
    if (c != kInvalidCodePoint && is_cjk(c)) {
      words.push_back(std::move(piece));
      joins = false;
    } else if (c != kInvalidCodePoint && (is_letter(c) || is_number(c))) {
      if (piece.size() == 1) piece[0] = lower(piece[0]);
      if (joins)
        words.back() += piece;
      else
        words.push_back(std::move(piece));
      joins = true;
    } else {
      joins = false;
    }
  }
  return words;
}

CaptionVocabulary from_json(const Json& json, const std::string& where) {
  const auto all = [&](auto is_right) { return std::all_of(json.begin(), json.end(), is_right); };
  const auto is_number = [](const Json& v) { return v.is_number_integer() && v >= 0 && v < 1000000000; };
  if (json.is_object() && !json.empty() && all(is_number))
    return CaptionVocabulary::numbered(json.get<std::unordered_map<std::string, int>>());
  if (json.is_array() && !json.empty() && all([](const Json& v) { return v.is_string(); }))
    return CaptionVocabulary(json.get<std::vector<std::string>>());
  throw UserError(ErrorKind::data, where, "wanted LEVIR-CC captions, a list of words or {word: number}.",
                  "See docs/metrics.md for the kinds of vocabulary files.");
}

}  // namespace

CaptionProtocol parse_caption_protocol(const std::string& name) {
  want_choice("--protocol", name, {"text", "ids", "char"});
  return name == "text" ? CaptionProtocol::text : name == "ids" ? CaptionProtocol::ids : CaptionProtocol::char_;
}

std::string caption_protocol_name(CaptionProtocol protocol) {
  return protocol == CaptionProtocol::text ? "text" : protocol == CaptionProtocol::ids ? "ids" : "char";
}

CaptionVocabulary::CaptionVocabulary(const std::vector<std::string>& words) {
  for (const std::string& word : words) numbers_.try_emplace(word, kFirst + static_cast<int>(numbers_.size()));
}

CaptionVocabulary CaptionVocabulary::numbered(std::unordered_map<std::string, int> numbers) {
  CaptionVocabulary vocabulary;
  for (const char* unknown : {"<unk>", "<UNK>", "UNK"})
    if (const auto found = numbers.find(unknown); found != numbers.end()) vocabulary.unknown_ = found->second;
  vocabulary.numbers_ = std::move(numbers);
  return vocabulary;
}

CaptionVocabulary CaptionVocabulary::count(const std::vector<std::string>& sentences, int seen_more_than) {
  std::map<std::string, int> seen;
  for (const std::string& sentence : sentences)
    for (std::string& word : split_text(sentence)) ++seen[std::move(word)];
  std::vector<std::string> words;
  for (const auto& [word, times] : seen)
    if (times > seen_more_than) words.push_back(word);
  return CaptionVocabulary(words);
}

int CaptionVocabulary::number(const std::string& word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? unknown_ : found->second;
}

CaptionVocabulary read_caption_vocabulary(const std::filesystem::path& file) {
  const std::string text = read_file(file, kMaxFile, ErrorKind::data);
  const std::string where = file.string();
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == text.npos) throw UserError(ErrorKind::data, where, "holds no word.", "");
  if (text[start] != '{' && text[start] != '[') return CaptionVocabulary(split_text(text));
  const Json json = parse_json(text, where, ErrorKind::data);
  if (!json.is_object() || !json.contains("images")) return from_json(json, where);
  std::vector<std::string> sentences;
  for (const PairRecord& pair : parse_levir(text, where, {}).pairs)
    sentences.insert(sentences.end(), pair.captions.begin(), pair.captions.end());
  return CaptionVocabulary::count(sentences);
}

CaptionSplitter::CaptionSplitter(CaptionProtocol protocol, CaptionVocabulary vocabulary)
    : protocol_(protocol), vocabulary_(std::move(vocabulary)) {
  CP_CHECK(protocol != CaptionProtocol::ids || vocabulary_.size() > 0, "ids without a vocabulary");
}

std::vector<std::string> CaptionSplitter::words(const std::string& sentence) const {
  if (protocol_ == CaptionProtocol::char_) return split_characters(sentence);
  std::vector<std::string> words = split_text(sentence);
  if (protocol_ == CaptionProtocol::ids)
    for (std::string& word : words) word = std::to_string(vocabulary_.number(word));
  return words;
}

}  // namespace cp
